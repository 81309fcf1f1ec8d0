//! Somebody who stands between Portal and a vendor: sees each request before the vendor does and
//! again with its answer, may look around or wait meanwhile, and may keep either.

use crate::harness::between;
use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request on its way, or its answer.
#[derive(Clone)]
pub(super) struct Seen {
    /// What was asked: the method and the path.
    pub(super) what: String,
    /// What came with it.
    pub(super) body: String,
    /// The status of the answer. None: the vendor has not heard of it yet.
    pub(super) status: Option<u16>,
    /// The name by which the vendor knows it, if it has answered.
    pub(super) id: Option<String>,
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {:?}", self.what, self.status)
    }
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Goes,
    /// The connection ends, and nothing of it comes.
    Lost,
}

/// Runs while it is held back.
type Hook = dyn Fn(Seen) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync;

/// See the module.
pub(super) struct Witness {
    address: SocketAddr,
    hook: Arc<Mutex<Option<Arc<Hook>>>>,
}

impl Witness {
    /// One in front of `target`, `http://HOST:PORT`, who only looks.
    pub(super) fn of(target: &str) -> Self {
        let hook: Arc<Mutex<Option<Arc<Hook>>>> = Arc::default();
        let of_each = hook.clone();
        let address = between(target, move |client, target| {
            let hook = of_each.clone();
            async move { carry(client, target, &hook).await }
        });
        Self { address, hook }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on does this with each request and each answer.
    pub(super) fn tell<F>(&self, hook: impl Fn(Seen) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let hook: Arc<Hook> = Arc::new(move |seen| Box::pin(hook(seen)));
        *self.hook.lock().expect("the hook") = Some(hook);
    }
}

/// Reads one request. `None`: there is none.
async fn request(client: &mut TcpStream) -> std::io::Result<Option<(Vec<u8>, String, String)>> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                let is_it = name.eq_ignore_ascii_case("content-length");
                is_it.then(|| value.trim().parse::<usize>().ok()).flatten()
            });
            if bytes.len() >= head.len() + 4 + length.unwrap_or(0) {
                let line = head.lines().next().unwrap_or_default();
                let what = line.rsplit_once(' ').map_or(line, |(what, _)| what);
                let (what, body) = (what.to_owned(), body.to_owned());
                return Ok(Some((bytes, what, body)));
            }
        }
        if client.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}

/// Carries request by request.
async fn carry(
    mut client: TcpStream,
    target: SocketAddr,
    hook: &Mutex<Option<Arc<Hook>>>,
) -> std::io::Result<()> {
    let mut vendor = TcpStream::connect(target).await?;
    let mut told = vec![0; 64 * 1024];
    while let Some((bytes, what, body)) = request(&mut client).await? {
        let hook = hook.lock().expect("the hook").clone();
        let mut seen = Seen {
            what,
            body,
            status: None,
            id: None,
        };
        if let Some(hook) = &hook
            && hook(seen.clone()).await == Answer::Lost
        {
            return Ok(());
        }
        vendor.write_all(&bytes).await?;
        let n = vendor.read(&mut told).await?;
        let start = String::from_utf8_lossy(&told[..n.min(16)]);
        let status = start.split(' ').nth(1).and_then(|text| text.parse().ok());
        seen.status = Some(status.unwrap_or_default());
        let head = String::from_utf8_lossy(&told[..n]);
        let id = head
            .lines()
            .find_map(|line| line.strip_prefix("request-id: "));
        seen.id = id.map(ToOwned::to_owned);
        if let Some(hook) = hook
            && hook(seen).await == Answer::Lost
        {
            return Ok(());
        }
        client.write_all(&told[..n]).await?;
        // The rest of the answer, until the client asks again.
        loop {
            tokio::select! {
                ready = client.readable() => {
                    ready?;
                    break;
                }
                n = vendor.read(&mut told) => {
                    let n = n?;
                    if n == 0 {
                        return Ok(());
                    }
                    client.write_all(&told[..n]).await?;
                }
            }
        }
    }
    Ok(())
}
