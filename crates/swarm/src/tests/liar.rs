//! A peer whose bulk port sends what nobody asked for.

use super::raw::{Protocol, Raw, hello_with_door};
use super::region::{LIMIT, Member, Region};
use super::sample::Sample;
use crate::security::{Plane, Security, Tls};
use crate::wire::bulk::{HEADER_LENGTH, Header, REQUEST_LENGTH, Request, TOKEN_LENGTH, What};
use crate::wire::control::{Control, Outbox};
use crate::wire::hello::Door;
use crate::{Config, Role};
use std::net::Ipv4Addr;
use swarm_core::{Message, PieceSet};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Takes the connection of whoever wants a piece, answers with a lie about it, and waits to be hung up on.
async fn lie(config: &Config, listener: TcpListener, answer: impl Fn(u32) -> Vec<u8>) {
    let security = Security::new(&config.identity, &config.certificate, &config.authority).unwrap();
    let tls = Tls::new(&security, Plane::Bulk).unwrap();
    let (tcp, _) = listener.accept().await.unwrap();
    let mut stream = TlsAcceptor::from(tls.server).accept(tcp).await.unwrap();
    stream.read_exact(&mut [0; TOKEN_LENGTH]).await.unwrap();
    let mut frame = [0; REQUEST_LENGTH];
    stream.read_exact(&mut frame).await.unwrap();
    let Ok(Request::Want { number, .. }) = Request::decode(&frame) else {
        panic!("a piece was to be asked for");
    };
    stream.write_all(&answer(number)).await.unwrap();
    stream.flush().await.unwrap();
    // More requests may be on their way; then comes the end.
    while let Ok(1..) = stream.read(&mut frame).await {}
}

/// Says that it has the whole artifact, and where its pieces are to be had.
async fn boast(config: &Config, to: &Member, port: u16, sample: &Sample) -> Raw {
    let mut control = Raw::connect(config, to).await;
    let door = Door { port, key: [1; 32] };
    control.say(to, Protocol::Hello, hello_with_door(&config.certificate, door));
    control
        .listen(|heard| heard.answers == 1 && heard.requests >= 1)
        .await;
    let artifact = sample.manifest.id();
    let pieces = PieceSet::full(sample.manifest.piece_count());
    let mut outbox = Outbox::default();
    outbox.push(&Control::Join(artifact)).unwrap();
    outbox
        .push(&Control::About(artifact, Message::Have { pieces }))
        .unwrap();
    control.say(to, Protocol::Control, outbox.next_frame().unwrap());
    control
}

fn block(number: u32, length: u32) -> Vec<u8> {
    let what = What::Block(length);
    [&Header { number, what }.encode()[..], &vec![7; length as usize]].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_port_that_lies_is_hung_up_on_and_its_peer_kept_out_in_the_end() {
    let region = Region::new();
    let sample = Sample::mixed(1 << 20);
    let host = region.start("host", Role::Host).await;
    let folder = region.folder("host").join("artifact");
    let fetch = host.handle.fetch(sample.manifest.clone(), folder).await.unwrap();
    let config = region.config("liar", Role::Host);
    let whole = sample.manifest.piece_range(0).end as u32;
    let lies: [&dyn Fn(u32) -> Vec<u8>; 3] = [
        &|_| vec![0xFF; HEADER_LENGTH],
        &|number| block(number.wrapping_add(1000), 1),
        &|number| [block(number, whole), block(number, 1)].concat(),
    ];
    for answer in lies {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut control = boast(&config, &host, port, &sample).await;
        let lied = tokio::time::timeout(LIMIT, lie(&config, listener, answer));
        let (heard, lied) = tokio::join!(control.listen(|heard| heard.closed), lied);
        lied.expect("it is hung up on in time");
        assert!(heard.closed);
    }
    let status = host.until(|status| !status.banned.is_empty()).await;
    assert_eq!(status.banned[0].peer, config.identity.peer());
    assert_eq!(fetch.progress().verified_bytes(), 0);
}
