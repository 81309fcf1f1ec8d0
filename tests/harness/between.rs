//! Something that listens between Portal and a vendor.

use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};

/// Listens in front of `target`, `http://HOST:PORT`, and carries each connection on. Answers where.
pub(crate) fn between<F>(
    target: &str,
    carry: impl Fn(TcpStream, SocketAddr) -> F + Send + 'static,
) -> SocketAddr
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let target: SocketAddr = target
        .trim_start_matches("http://")
        .parse()
        .expect("the vendor's address");
    let listener = std::net::TcpListener::bind(super::LOOPBACK).expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("an address");
    let listener = TcpListener::from_std(listener).expect("a socket");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            // A connection that ends is nothing to speak of.
            tokio::spawn(carry(client, target));
        }
    });
    address
}
