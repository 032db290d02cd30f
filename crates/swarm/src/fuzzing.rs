//! What the fuzz targets see of this crate: each decoder of a peer's bytes, as a function that takes any bytes and
//! panics when a promise is broken, beside bytes that it accepts. Nothing else uses it.

use crate::buffers::Buffers;
use crate::bulk::inflow::{End, Inflow};
use crate::certificate::{Authority, Certificate, Statement};
use crate::security::x509;
use crate::wire::bulk::{Header, REQUEST_LENGTH, Request, What};
use crate::wire::control::{CONTROL_LENGTH_MAX, Control, Outbox, decode};
use crate::wire::hello::{Door, Hello};
use crate::{Identity, InvalidCertificate, PeerId};
use jiff::Timestamp;
use model::ArtifactId;
use model::node::Role;
use rustls::pki_types::CertificateDer;
use swarm_core::{Message, PieceSet};

/// A certificate that an authority of its own issued.
pub fn certificate() -> Certificate {
    issued_to(Identity::generate().peer())
}

fn issued_to(peer: PeerId) -> Certificate {
    let issue = || {
        let statement = Statement {
            peer,
            region: "us-east-1".parse().ok()?,
            name: "host-1".parse().ok()?,
            role: Role::Host,
            not_after: Timestamp::MAX,
        };
        Authority::generate().issue(statement).ok()
    };
    // Proof: the test of the fuzz targets makes one.
    issue().expect("its names are valid and short")
}

/// A certificate of TLS is read without trust: whoever made it, it proves whose it is before it says more.
pub fn shown_certificate(bytes: &[u8]) {
    // The verdict is the handshake's business; here it must only be one.
    let _ = x509::read(&CertificateDer::from_slice(bytes));
}

/// Bytes that [`shown_certificate`] accepts.
pub fn shown_certificate_examples() -> Vec<Vec<u8>> {
    let certified = || {
        let identity = Identity::generate();
        x509::OwnKey::generate(&identity).and_then(|key| key.certify(&issued_to(identity.peer())))
    };
    let certificates = certified().into_iter().flat_map(|shown| shown.cert.clone());
    certificates.map(|der| der.to_vec()).collect()
}

/// A hello comes out again as it was read, and opens no door unless its authority is the region's.
pub fn hello(bytes: &[u8]) {
    let Ok(hello) = Hello::decode(bytes) else { return };
    assert_eq!(Hello::decode(&hello.encode()).as_ref(), Ok(&hello));
    let said = hello.certificate.statement();
    let verdict = hello.certificate.verify(
        &Authority::generate().key(),
        &said.region,
        said.peer,
        Timestamp::UNIX_EPOCH,
    );
    assert_eq!(verdict, Err(InvalidCertificate::Signature));
}

/// Bytes that [`hello`] accepts.
pub fn hello_examples() -> Vec<Vec<u8>> {
    let hello = Hello {
        process: 7,
        certificate: certificate(),
        bulk: Door {
            port: 4001,
            key: [7; 32],
        },
    };
    vec![hello.encode()]
}

/// Control messages come out again as they were read, in order.
pub fn control(bytes: &[u8]) {
    if bytes.len() > CONTROL_LENGTH_MAX {
        return;
    }
    let Ok(messages) = decode(bytes) else { return };
    let frames: Vec<Vec<u8>> = messages.iter().flat_map(postcard::to_stdvec).collect();
    assert_eq!(decode(&frames.concat()), Ok(messages));
}

/// Bytes that [`control`] accepts.
pub fn control_examples() -> Vec<Vec<u8>> {
    let artifact = ArtifactId([7; 32]);
    let mut outbox = Outbox::default();
    let messages = [
        Control::Join(artifact),
        Control::About(
            artifact,
            Message::Have {
                pieces: PieceSet::full(70),
            },
        ),
        Control::About(
            artifact,
            Message::Gained {
                pieces: vec![1, 300, 70_000],
                held: 5,
                waiting: 2,
            },
        ),
        Control::Leave(artifact),
        Control::Hint,
    ];
    // None of them comes near an outbox's limit.
    let _: Vec<_> = messages.iter().map(|message| outbox.push(message)).collect();
    outbox.next_frame().into_iter().collect()
}

/// A request on a bulk connection has one encoding.
pub fn bulk_request(bytes: &[u8]) {
    let Ok(frame) = bytes.try_into() else { return };
    if let Ok(request) = Request::decode(frame) {
        assert_eq!(request.encode(), *frame);
    }
}

/// Bytes that [`bulk_request`] accepts.
pub fn bulk_request_examples() -> Vec<Vec<u8>> {
    let want = Request::Want {
        number: 7,
        artifact: ArtifactId([7; 32]),
        piece: 9,
    };
    let requests: [[u8; REQUEST_LENGTH]; 2] = [want.encode(), Request::Cancel { number: 7 }.encode()];
    requests.map(|request| request.to_vec()).into()
}

/// Pieces that were asked for in [`bulk_blocks`], as numbers and lengths. The second is not wanted any more.
const EXPECTED: [(u32, usize); 3] = [(0, 1), (1, 300), (2, 70_000)];

/// What comes of a bulk connection is pieces that were asked for, each as long as it must be and once,
/// in whatever portions the bytes come; the first byte says in which.
pub fn bulk_blocks(bytes: &[u8]) {
    let Some((&portion, bytes)) = bytes.split_first() else {
        return;
    };
    let mut inflow = Inflow::new(Buffers::default());
    for (number, length) in EXPECTED {
        inflow.expect(number, length);
    }
    inflow.give_up(1);
    let mut ends = Vec::new();
    for portion in bytes.chunks(usize::from(portion) + 1) {
        if inflow.feed(portion, &mut ends).is_err() {
            break;
        }
    }
    assert!(ends.len() <= 2);
    for end in ends {
        if let End::Arrived { number, bytes } = end {
            assert!(number != 1 && EXPECTED.contains(&(number, bytes.len())));
        }
    }
}

/// Bytes that [`bulk_blocks`] accepts.
pub fn bulk_blocks_examples() -> Vec<Vec<u8>> {
    let header = |number, what| Header { number, what }.encode();
    let whole = [&[3][..], &header(0, What::Block(1)), &[9]].concat();
    let ended = [
        &[255][..],
        &header(2, What::Refused),
        &header(1, What::Block(2)),
        &[1, 2],
        &header(1, What::Stopped),
    ];
    vec![whole, ended.concat()]
}
