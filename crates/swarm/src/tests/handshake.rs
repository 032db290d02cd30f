//! Who gets through the handshake.

use super::raw::{Raw, serving};
use super::region::{LIMIT, Member, Region, connect};
use crate::{Authority, Config, Error, Identity, Role, Statement};
use libp2p::swarm::SwarmEvent;

/// The same key with a certificate for another region, by the same authority.
pub fn of_another_region(region: &Region, config: &Config) -> Config {
    certified_anew(region, config, |statement| {
        statement.region = "r2".parse().unwrap()
    })
}

/// The same key with a certificate that says something else.
pub fn certified_anew(region: &Region, config: &Config, change: impl Fn(&mut Statement)) -> Config {
    let mut statement = config.certificate.statement().clone();
    change(&mut statement);
    Config {
        certificate: region.authority.issue(statement).unwrap(),
        ..config.clone()
    }
}

/// Dials without a word. What a stranger sees of a refusal is a connection that does not come about or
/// breaks off.
async fn is_refused(config: &Config, by: &Member) {
    let mut raw = Raw::dial(config, by);
    let refused = async {
        loop {
            match raw.next().await {
                SwarmEvent::OutgoingConnectionError { .. } | SwarmEvent::ConnectionClosed { .. } => return,
                _ => {}
            }
        }
    };
    tokio::time::timeout(LIMIT, refused)
        .await
        .expect("it is refused in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_handshake_fails_for_whoever_shows_nothing_that_the_region_signed() {
    let (region, seed, _) = serving().await;
    let own = region.config("own", Role::Host);
    let revoked = region.config("revoked", Role::Host);
    seed.handle
        .set_revoked(vec![revoked.identity.peer()])
        .await
        .unwrap();
    // What was asked of the seed before is dealt with before the answer.
    seed.handle.status().await.unwrap();
    let strangers = [
        Config {
            certificate: Region::new().config("own", Role::Host).certificate,
            ..own.clone()
        },
        Config {
            certificate: region.config("else", Role::Manager).certificate,
            ..own.clone()
        },
        of_another_region(&region, &own),
        certified_anew(&region, &own, |statement| {
            statement.not_after = "2001-01-01T00:00:00Z".parse().unwrap();
        }),
        revoked,
    ];
    for config in strangers {
        is_refused(&config, &seed).await;
    }
    assert!(seed.handle.status().await.unwrap().peers.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_revoked_is_disconnected_and_may_come_back_once_it_is_not() {
    let region = Region::new();
    let manager = region.start("manager", Role::Manager).await;
    let host = region.start("host", Role::Host).await;
    connect(&[&manager, &host]).await;
    manager.handle.set_revoked(vec![host.peer()]).await.unwrap();
    manager.until(|status| status.peers.is_empty()).await;
    let call = host
        .handle
        .call(manager.peer(), manager.handle.addresses(), vec![1])
        .await;
    assert!(matches!(call, Err(Error::Unreachable { .. })), "{call:?}");
    manager.handle.set_revoked(Vec::new()).await.unwrap();
    manager.is_connected_to(host.peer()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_shown_to_those_who_are_here_and_those_who_come() {
    let region = Region::new();
    let manager = region.start("manager", Role::Manager).await;
    let hosts = region.hosts(2).await;
    connect(&[&manager, &hosts[0]]).await;
    let config = region.config("manager", Role::Manager);
    let renamed = certified_anew(&region, &config, |statement| {
        statement.name = "renamed".parse().unwrap()
    });
    manager.handle.renew(renamed.certificate).await.unwrap();
    hosts[1]
        .handle
        .set_neighbours(vec![manager.neighbour()])
        .await
        .unwrap();
    for host in &hosts {
        host.until(|status| status.peers.iter().any(|peer| peer.name.as_str() == "renamed"))
            .await;
    }
    // One that nobody would believe changes nothing.
    let foreign = of_another_region(&region, &config).certificate;
    assert!(matches!(
        manager.handle.renew(foreign).await,
        Err(Error::OwnCertificate(_))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_two_regions_part_whoever_dials() {
    let region = Region::new();
    let here = region.start("here", Role::Host).await;
    let config = of_another_region(&region, &region.config("there", Role::Manager));
    let mut there = Member::start("there", config).await;
    let (a, b) = (
        there
            .handle
            .call(here.peer(), here.handle.addresses(), vec![1])
            .await,
        here.handle
            .call(there.peer(), there.handle.addresses(), vec![1])
            .await,
    );
    for result in [a, b] {
        assert!(matches!(result, Err(Error::Unreachable { .. })), "{result:?}");
    }
    assert!(there.calls.try_recv().is_err());
    assert!(here.handle.status().await.unwrap().peers.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_port_is_in_use_says_so() {
    let region = Region::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = region.config("host", Role::Host);
    config.listen = vec![format!(
        "/ip4/127.0.0.1/tcp/{}",
        taken.local_addr().unwrap().port()
    )];
    let error = crate::Swarm::start(config).await.unwrap_err().to_string();
    assert!(error.to_lowercase().contains("in use"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_own_certificate_is_wrong_does_not_start() {
    let region = Region::new();
    let config = region.config("host", Role::Host);
    let stolen = Config {
        identity: Identity::generate(),
        ..config.clone()
    };
    let unknown = Config {
        authority: Authority::generate().key(),
        ..config
    };
    for config in [stolen, unknown] {
        assert!(matches!(
            crate::Swarm::start(config).await,
            Err(Error::OwnCertificate(_))
        ));
    }
}
