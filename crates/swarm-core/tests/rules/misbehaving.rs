//! What becomes of peers that err or lie.

use crate::driven::{Driven, T, fetches};
use swarm_core::{BanReason, Input, Message, Miss, Output, Peer, PieceSet};

#[test]
fn a_peer_that_sends_a_wrong_piece_is_named_and_kept_out() {
    let mut host = Driven::host(2);
    host.join(1, 2, &[0, 1]);
    let outputs = host.tell(Input::Rejected {
        transfer: T,
        piece: 0,
        peer: Peer(1),
    });
    let reason = BanReason::WrongPiece { piece: 0 };
    assert!(outputs.contains(&Output::Banned {
        transfer: T,
        peer: Peer(1),
        reason
    }));
    assert!(host.join(1, 2, &[0, 1]).is_empty());
    assert_eq!(fetches(&host.join(2, 2, &[0, 1])).len(), 1);
}

#[test]
fn a_peer_that_speaks_of_another_artifact_is_banned() {
    for (message, reason) in [
        (
            Message::Have {
                pieces: PieceSet::full(9),
            },
            BanReason::WrongSize { pieces: 9 },
        ),
        (
            Message::Gained {
                pieces: vec![3, 10],
                held: 2,
                waiting: 0,
            },
            BanReason::OutOfRange { piece: 10 },
        ),
        (
            Message::Gained {
                pieces: vec![1; 4000],
                held: 1,
                waiting: 0,
            },
            BanReason::Flood,
        ),
        (
            Message::Gained {
                pieces: vec![1; 5000],
                held: 1,
                waiting: 0,
            },
            BanReason::Flood,
        ),
    ] {
        let mut host = Driven::host(10);
        host.join(1, 10, &[]);
        let outputs = host.hear(1, message);
        assert!(
            outputs.contains(&Output::Banned {
                transfer: T,
                peer: Peer(1),
                reason
            }),
            "{outputs:?}"
        );
        assert_eq!(host.node.load().neighbours, 0);
    }
}

#[test]
fn a_set_that_shrinks_is_believed_and_repeated_sets_are_not_endured_for_ever() {
    let mut host = Driven::host(2);
    host.join(1, 2, &[0, 1]);
    host.tell(Input::Missed {
        transfer: T,
        piece: 0,
        peer: Peer(1),
        reason: Miss::Refused,
    });
    host.tell(Input::Missed {
        transfer: T,
        piece: 1,
        peer: Peer(1),
        reason: Miss::Refused,
    });
    host.hear(
        1,
        Message::Have {
            pieces: PieceSet::empty(2),
        },
    );
    assert!(fetches(&host.wait(20)).is_empty());
    let again = (0..10).flat_map(|_| {
        host.hear(
            1,
            Message::Have {
                pieces: PieceSet::empty(2),
            },
        )
    });
    assert!(
        again
            .collect::<Vec<_>>()
            .iter()
            .any(|output| matches!(output, Output::Banned { .. }))
    );
}
