//! Peers that say nothing, say wrong things, or show a right certificate and talk nonsense.

use super::handshake::of_another_region;
use super::raw::{Protocol, Raw, hello, hello_of_process, serving};
use crate::Role;
use crate::wire::control::CONTROL_LENGTH_MAX;
use crate::wire::hello::HELLO_LENGTH_MAX;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_speaks_before_a_hello_is_sent_away_without_an_answer() {
    let (region, mut seed, _) = serving().await;
    let said = [(Protocol::Control, Vec::new()), (Protocol::Call, vec![1, 2, 3])];
    for (number, (protocol, body)) in said.into_iter().enumerate() {
        // Even one that could have shown a certificate.
        let config = region.config(&format!("hasty-{number}"), Role::Host);
        let mut raw = Raw::connect(&config, &seed).await;
        raw.say(&seed, protocol, body);
        let heard = raw.listen(|heard| heard.closed).await;
        assert_eq!((heard.answers, heard.control_frames), (0, 0), "{protocol:?}");
    }
    assert!(seed.calls.try_recv().is_err());
    let status = seed.handle.status().await.unwrap();
    assert_eq!((status.peers.len(), status.artifacts[0].served_bytes), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hello_that_proves_nothing_is_not_welcomed() {
    let (region, seed, _) = serving().await;
    let own = region.config("own", Role::Host);
    let said = [
        (
            "somebody else's certificate",
            hello(&region.config("else", Role::Manager).certificate),
        ),
        (
            "another region",
            hello(&of_another_region(&region, &own).certificate),
        ),
        ("no certificate", Vec::new()),
        ("nonsense", vec![0xFF; HELLO_LENGTH_MAX]),
        ("too long", vec![0; HELLO_LENGTH_MAX + 1]),
    ];
    for (what, body) in said {
        let mut raw = Raw::connect(&own, &seed).await;
        let too_long = body.len() > HELLO_LENGTH_MAX;
        raw.say(&seed, Protocol::Hello, body);
        // A frame that is too long is not even read; its sender then runs out of time.
        let heard = raw
            .listen(|heard| heard.failures == 1 && (heard.closed || too_long))
            .await;
        assert_eq!((heard.answers, heard.requests), (0, 0), "{what}");
    }
    assert!(seed.handle.status().await.unwrap().peers.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_of_a_certified_peer_ends_its_connection() {
    let (region, seed, _) = serving().await;
    let said = [
        (Protocol::Control, vec![0xFF; 100]),
        (Protocol::Hello, vec![0xFF; 100]),
    ];
    for (number, (protocol, body)) in said.into_iter().enumerate() {
        let config = region.config(&format!("host-{number}"), Role::Host);
        let mut raw = Raw::connect(&config, &seed).await;
        raw.say(&seed, Protocol::Hello, hello(&config.certificate));
        raw.listen(|heard| heard.answers == 1 && heard.requests >= 1)
            .await;
        raw.say(&seed, protocol, body);
        let heard = raw.listen(|heard| heard.closed).await;
        assert_eq!(heard.answers, 0, "{protocol:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_comes_back_as_another_process_is_greeted_anew() {
    let (region, seed, _) = serving().await;
    let config = region.config("host", Role::Host);
    let mut before = Raw::connect(&config, &seed).await;
    before.say(&seed, Protocol::Hello, hello(&config.certificate));
    before
        .listen(|heard| heard.answers == 1 && heard.requests >= 1)
        .await;
    seed.is_connected_to(config.identity.peer()).await;

    // The old connection is still open, as after a power cut.
    let mut after = Raw::connect(&config, &seed).await;
    after.say(&seed, Protocol::Hello, hello_of_process(2, &config.certificate));
    tokio::join!(
        before.listen(|heard| heard.closed),
        // A hello, and word of what the seed takes part in.
        after.listen(|heard| heard.answers == 1 && heard.requests >= 1 && heard.control_frames >= 1),
    );
    seed.is_connected_to(config.identity.peer()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_beyond_its_limit_is_not_read() {
    let (region, seed, _) = serving().await;
    let config = region.config("host", Role::Host);
    let mut raw = Raw::connect(&config, &seed).await;
    raw.say(&seed, Protocol::Hello, hello(&config.certificate));
    raw.listen(|heard| heard.answers == 1).await;
    raw.say(&seed, Protocol::Call, vec![0; crate::CALL_REQUEST_LENGTH_MAX + 1]);
    let heard = raw.listen(|heard| heard.failures == 1).await;
    assert_eq!(heard.answers, 0);
    raw.say(&seed, Protocol::Control, vec![0; CONTROL_LENGTH_MAX + 1]);
    raw.listen(|heard| heard.closed).await;
}
