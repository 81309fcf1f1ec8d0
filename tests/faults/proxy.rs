//! A network between Portal and a vendor that does what networks do: answers come late, in drips,
//! in part, or not at all although the vendor has done what was asked.

use crate::harness::between;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// The connection ends before the vendor hears of it.
    CutBefore,
    /// The answer comes a little late.
    Delay,
    /// The answer comes byte by byte.
    Drip,
    /// The connection ends in the middle of the answer.
    CutAfter(usize),
    /// The vendor has answered, and nothing of it comes.
    DropAnswer,
    /// The vendor has answered, and Portal waits in vain.
    Hang,
}

impl Trouble {
    fn name(self) -> &'static str {
        match self {
            Self::CutBefore => "cut before",
            Self::Delay => "delayed",
            Self::Drip => "dripped",
            Self::CutAfter(_) => "cut in the middle",
            Self::DropAnswer => "answer dropped",
            Self::Hang => "hung",
        }
    }
}

struct Shared {
    rng: StdRng,
    /// Troubles in a hundred requests.
    percent: u32,
    counts: BTreeMap<&'static str, u32>,
}

/// See the module.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

impl Proxy {
    /// A network without trouble in front of `target`, `http://HOST:PORT`.
    pub(crate) fn start(target: &str, seed: u64) -> Self {
        let shared = Arc::new(Mutex::new(Shared {
            rng: StdRng::seed_from_u64(seed),
            percent: 0,
            counts: BTreeMap::new(),
        }));
        let of_each = shared.clone();
        let address = between(target, move |client, target| {
            let shared = of_each.clone();
            async move { Box::pin(carry(client, target, &shared)).await }
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests in a hundred meet trouble.
    pub(crate) fn trouble(&self, percent: u32) {
        self.shared.lock().expect("the network").percent = percent;
    }

    /// What happened so far.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u32> {
        self.shared.lock().expect("the network").counts.clone()
    }
}

fn draw(shared: &Mutex<Shared>) -> Option<Trouble> {
    let mut shared = shared.lock().expect("the network");
    let percent = shared.percent;
    if shared.rng.random_range(0..100) >= percent {
        return None;
    }
    let trouble = match shared.rng.random_range(0..6) {
        0 => Trouble::CutBefore,
        1 => Trouble::Delay,
        2 => Trouble::Drip,
        3 => Trouble::CutAfter(shared.rng.random_range(1..400)),
        4 => Trouble::DropAnswer,
        _ => Trouble::Hang,
    };
    *shared.counts.entry(trouble.name()).or_default() += 1;
    Some(trouble)
}

/// Carries bytes between both, request by request: what the client says after an answer is the next.
async fn carry(
    mut client: TcpStream,
    target: SocketAddr,
    shared: &Mutex<Shared>,
) -> std::io::Result<()> {
    let mut vendor = TcpStream::connect(target).await?;
    let (mut asked, mut told) = ([0; 16 * 1024], [0; 16 * 1024]);
    let mut trouble = None;
    let mut answering = true;
    let mut sent = 0;
    loop {
        tokio::select! {
            n = client.read(&mut asked) => {
                let n = n?;
                if n == 0 {
                    return Ok(());
                }
                if answering {
                    (trouble, answering, sent) = (draw(shared), false, 0);
                }
                if trouble == Some(Trouble::CutBefore) {
                    return Ok(());
                }
                vendor.write_all(&asked[..n]).await?;
            }
            n = vendor.read(&mut told) => {
                let n = n?;
                if n == 0 {
                    return Ok(());
                }
                answering = true;
                match trouble {
                    None | Some(Trouble::CutBefore) => client.write_all(&told[..n]).await?,
                    Some(Trouble::Delay) => {
                        tokio::time::sleep(Duration::from_millis(30)).await;
                        client.write_all(&told[..n]).await?;
                    }
                    Some(Trouble::Drip) => {
                        for (n, byte) in told[..n].iter().enumerate() {
                            client.write_all(&[*byte]).await?;
                            if n % 64 == 0 {
                                client.flush().await?;
                                tokio::task::yield_now().await;
                            }
                        }
                    }
                    Some(Trouble::CutAfter(bytes)) => {
                        let rest = bytes.saturating_sub(sent).min(n);
                        client.write_all(&told[..rest]).await?;
                        sent += rest;
                        if sent >= bytes {
                            return Ok(());
                        }
                    }
                    Some(Trouble::DropAnswer) => return Ok(()),
                    Some(Trouble::Hang) => {}
                }
            }
        }
    }
}
