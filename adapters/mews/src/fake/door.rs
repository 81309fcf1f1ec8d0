//! Standing behind a judge: `.ci/mews-contract` runs tests with a validating proxy between Portal
//! and the fakes.

use std::io::{Error, Result};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Names the judge, as `HOST:PORT`. Every fake that starts asks it for a door of its own.
const JUDGE: &str = "FAKE_MEWS_JUDGE";

/// Where Portal shall call a fake that listens on `address`: there, or at its door.
pub(super) async fn of(address: SocketAddr) -> Result<SocketAddr> {
    match std::env::var(JUDGE) {
        Ok(judge) => Ok(SocketAddr::new(
            address.ip(),
            ask(&judge, address.port()).await?,
        )),
        Err(_) => Ok(address),
    }
}

async fn ask(judge: &str, port: u16) -> Result<u16> {
    let mut stream = TcpStream::connect(judge).await?;
    let request = format!("POST /doors/{port} HTTP/1.0\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    body.parse().map_err(Error::other)
}
