//! Pieces: asked for, come in, handed out.

use super::Swarm;
use crate::behaviour::Event;
use crate::transfer::Place;
use crate::wire::codec::{Answer, CHUNKS_WAITING_MAX, Request};
use crate::wire::piece::PieceRequest;
use crate::{InvalidCertificate, PeerId};
use libp2p::request_response::{
    InboundRequestId, Message, OutboundFailure, OutboundRequestId, ResponseChannel,
};
use std::collections::HashMap;
use std::io;
use swarm_core::{Input, Miss, Peer, Piece, Ticket, TransferId};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A piece that was asked of a peer.
#[derive(Debug)]
struct Asked {
    transfer: TransferId,
    peer: Peer,
    piece: Piece,
    cancel: CancellationToken,
}

/// A peer that asked for a piece and has no answer yet.
#[derive(Debug)]
struct Waiting {
    request: InboundRequestId,
    transfer: TransferId,
    piece: Piece,
    channel: ResponseChannel<Answer>,
}

/// Requests in both directions. The rules bound them all: pieces in flight, uploads, and requests
/// that wait.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    asked: HashMap<OutboundRequestId, Asked>,
    waiting: HashMap<Ticket, Waiting>,
    uploads: HashMap<InboundRequestId, Ticket>,
    tickets: u64,
}

impl Pieces {
    /// Stops waiting for a piece.
    pub(super) fn abandon(&mut self, transfer: TransferId, peer: Peer, piece: Piece) {
        self.drop_asked(|asked| asked.transfer == transfer && asked.peer == peer && asked.piece == piece);
    }

    /// Forgets what was asked of a peer that is gone: the rules know that nothing will come.
    pub(super) fn peer_left(&mut self, peer: Peer) {
        self.drop_asked(|asked| asked.peer == peer);
    }

    /// The same for a peer that takes no part in one transfer any more.
    pub(super) fn peer_left_transfer(&mut self, transfer: TransferId, peer: Peer) {
        self.drop_asked(|asked| asked.transfer == transfer && asked.peer == peer);
    }

    fn drop_asked(&mut self, over: impl Fn(&Asked) -> bool) {
        self.asked.retain(|_, asked| {
            let over = over(asked);
            if over {
                asked.cancel.cancel();
            }
            !over
        });
    }
}

impl Swarm {
    /// Asks a peer for a piece.
    pub(super) fn ask(&mut self, transfer: TransferId, peer: Peer, piece: Piece) {
        let to = self.names.known(peer).map(|known| known.peer);
        let connected = to.filter(|to| self.sessions.get(to).is_some_and(|session| session.joined));
        let (Some(to), Some(its)) = (connected, self.transfers.get(&transfer)) else {
            self.tell(Input::Missed {
                transfer,
                piece,
                peer,
                reason: Miss::Broken,
            });
            return;
        };
        let body = PieceRequest {
            artifact: its.artifact(),
            piece,
        }
        .encode();
        // At most PIECE_LENGTH_MAX, so it fits.
        let request = Request::new(body, its.piece_length(piece) as usize);
        let cancel = request.cancel.clone();
        let id = self.network.behaviour_mut().piece.send_request(&to.0, request);
        self.pieces.asked.insert(
            id,
            Asked {
                transfer,
                peer,
                piece,
                cancel,
            },
        );
    }

    pub(super) fn on_piece(&mut self, event: Event) {
        match event {
            Event::Message {
                peer,
                message:
                    Message::Request {
                        request_id,
                        request,
                        channel,
                    },
                ..
            } => {
                self.asked_for(PeerId(peer), request_id, &request.body, channel);
            }
            Event::Message {
                message: Message::Response { request_id, response },
                ..
            } => {
                self.answered(request_id, response);
            }
            Event::OutboundFailure {
                request_id, error, ..
            } => {
                let timed_out = match &error {
                    OutboundFailure::Timeout => true,
                    OutboundFailure::Io(error) => error.kind() == io::ErrorKind::TimedOut,
                    _ => false,
                };
                let reason = if timed_out { Miss::TimedOut } else { Miss::Broken };
                self.missed(request_id, reason);
            }
            Event::InboundFailure { request_id, .. } | Event::ResponseSent { request_id, .. } => {
                if let Some(ticket) = self.pieces.uploads.remove(&request_id) {
                    self.pieces.waiting.remove(&ticket);
                    self.tell(Input::Served { ticket });
                }
            }
        }
    }

    fn answered(&mut self, request: OutboundRequestId, answer: Answer) {
        let Answer::Body(bytes) = answer else {
            self.missed(request, Miss::Refused);
            return;
        };
        let Some(Asked {
            transfer,
            peer,
            piece,
            ..
        }) = self.pieces.asked.remove(&request)
        else {
            return;
        };
        self.take_piece(transfer, piece, peer, bytes);
    }

    fn missed(&mut self, request: OutboundRequestId, reason: Miss) {
        if let Some(Asked {
            transfer,
            peer,
            piece,
            ..
        }) = self.pieces.asked.remove(&request)
        {
            self.tell(Input::Missed {
                transfer,
                piece,
                peer,
                reason,
            });
        }
    }

    /// A peer wants a piece; the rules decide when and whether.
    fn asked_for(
        &mut self,
        peer: PeerId,
        request: InboundRequestId,
        body: &[u8],
        channel: ResponseChannel<Answer>,
    ) {
        let certified = self
            .sessions
            .get(&peer)
            .is_some_and(|session| session.certificate().is_some());
        let Some(handle) = self.names.of(peer).filter(|_| certified) else {
            self.refuse_stranger(peer, &InvalidCertificate::Missing);
            return;
        };
        let Some(PieceRequest { artifact, piece }) = PieceRequest::decode(body) else {
            tracing::warn!(%peer, "a peer that sent a malformed request is disconnected");
            self.disconnect(peer);
            return;
        };
        let Some(transfer) = self.shared(&artifact) else {
            self.answer_piece(channel, Answer::Refused);
            return;
        };
        let ticket = Ticket(self.pieces.tickets);
        self.pieces.tickets += 1;
        self.pieces.uploads.insert(request, ticket);
        self.pieces.waiting.insert(
            ticket,
            Waiting {
                request,
                transfer,
                piece,
                channel,
            },
        );
        self.tell(Input::Requested {
            transfer,
            peer: handle,
            piece,
            ticket,
        });
    }

    /// Sends a piece. The end of it comes as an event of the network.
    pub(super) fn upload(&mut self, ticket: Ticket) {
        let Some(waiting) = self.pieces.waiting.remove(&ticket) else {
            self.tell(Input::Served { ticket });
            return;
        };
        let Waiting {
            transfer,
            piece,
            channel,
            ..
        } = waiting;
        let Some(its) = self.transfers.get(&transfer) else {
            self.answer_piece(channel, Answer::Refused);
            return;
        };
        let (to, chunks) = mpsc::channel(CHUNKS_WAITING_MAX);
        let length = its.piece_length(piece) as usize;
        match &its.place {
            Place::Folder(folder) => self.jobs.send_file(transfer, folder.clone(), piece, to),
            Place::Remote(source) => {
                let from = (its.manifest.clone(), source.clone());
                self.jobs
                    .send_remote(transfer, from, piece, to, its.cancel.clone());
            }
        }
        self.answer_piece(channel, Answer::Chunks { length, chunks });
    }

    pub(super) fn refuse(&mut self, ticket: Ticket) {
        if let Some(waiting) = self.pieces.waiting.remove(&ticket) {
            self.pieces.uploads.remove(&waiting.request);
            self.answer_piece(waiting.channel, Answer::Refused);
        }
    }

    fn answer_piece(&mut self, channel: ResponseChannel<Answer>, answer: Answer) {
        // An asker that went away is reported by the network.
        drop(self.network.behaviour_mut().piece.send_response(channel, answer));
    }
}
