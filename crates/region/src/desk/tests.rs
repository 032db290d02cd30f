use super::*;
use model::host::Neighbour;
use swarm::Identity;

fn leading() -> Leading {
    let myself = Neighbour {
        host: "manager".parse().unwrap(),
        peer: Identity::generate().peer().to_string(),
        addresses: vec!["/ip4/127.0.0.1/tcp/1".to_owned()],
    };
    Leading::new(7, myself)
}

fn caller(name: &str, role: Role) -> Statement {
    Statement {
        peer: Identity::generate().peer(),
        region: "us-east-1".parse().unwrap(),
        name: name.parse().unwrap(),
        role,
        not_after: "2030-01-01T00:00:00Z".parse().unwrap(),
    }
}

fn report(host: &str) -> HostReport {
    HostReport {
        host: host.parse().unwrap(),
        zone: "us-east-1a".parse().unwrap(),
        addresses: vec!["/ip4/127.0.0.1/tcp/2".to_owned()],
        instances: Vec::new(),
        complete: Vec::new(),
    }
}

fn ask(leading: &Leading, caller: &Statement, report: HostReport) -> HostResponse {
    answer(leading, caller, caller.peer, HostRequest::Report(report))
}

#[test]
fn a_leader_that_knows_nothing_yet_gives_no_orders() {
    let leading = leading();
    let answer = ask(&leading, &caller("a", Role::Host), report("a"));
    assert!(matches!(answer, HostResponse::Refused(_)), "{answer:?}");
}

#[test]
fn orders_carry_the_term_and_the_neighbours_with_the_manager_itself() {
    let leading = leading();
    leading.desired.send_replace(Some(Vec::new().into()));
    ask(&leading, &caller("a", Role::Host), report("a"));
    let HostResponse::Orders(orders) = ask(&leading, &caller("b", Role::Host), report("b")) else {
        panic!("no orders");
    };
    let names: Vec<_> = orders.neighbours.iter().map(|neighbour| neighbour.host.as_str()).collect();
    assert_eq!((orders.term, names), (7, vec!["a", "manager"]));
}

#[test]
fn a_report_for_somebody_else_or_beyond_the_limits_is_refused() {
    let leading = leading();
    leading.desired.send_replace(Some(Vec::new().into()));
    let host = caller("a", Role::Host);
    let addresses = |count, length| HostReport {
        addresses: vec!["x".repeat(length); count],
        ..report("a")
    };
    let crowded = HostReport {
        complete: vec![ArtifactId([0; 32]); SERVICES_MAX + 1],
        ..report("a")
    };
    for (caller, report) in [
        (&host, report("b")),
        (&caller("a", Role::Manager), report("a")),
        (&host, addresses(5, 1)),
        (&host, addresses(1, 257)),
        (&host, crowded),
    ] {
        let answer = ask(&leading, caller, report);
        assert!(matches!(answer, HostResponse::Refused(_)), "{answer:?}");
    }
    assert_eq!(leading.roster().alive(), 0);
}

#[test]
fn a_manifest_is_handed_out_once_it_is_seeded() {
    let leading = leading();
    let artifact = ArtifactId([1; 32]);
    let host = caller("a", Role::Host);
    let ask = || answer(&leading, &host, host.peer, HostRequest::Manifest(artifact));
    assert!(matches!(ask(), HostResponse::Refused(_)));
    leading.manifests().insert(artifact, vec![1, 2, 3].into());
    assert_eq!(ask(), HostResponse::Manifest(vec![1, 2, 3]));
}
