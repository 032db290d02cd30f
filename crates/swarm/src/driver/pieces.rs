//! Pieces: asked for, come in, handed out.

use super::Swarm;
use crate::PeerId;
use crate::buffers::Buffer;
use crate::bulk::supply::Supply;
use crate::bulk::{Answer, Event, Granted, Target, Wish, token};
use crate::metrics;
use crate::transfer::Place;
use std::collections::HashMap;
use swarm_core::{Input, Miss, Peer, Piece, Ticket, TransferId};
use tokio::sync::mpsc;

/// A piece that was asked of a peer.
#[derive(Debug)]
struct Asked {
    transfer: TransferId,
    peer: Peer,
    piece: Piece,
}

/// A peer that asked for a piece and has no answer yet.
#[derive(Debug)]
struct Waiting {
    transfer: TransferId,
    piece: Piece,
    number: u32,
    to: mpsc::Sender<Answer>,
}

impl Waiting {
    fn answer(&self, what: Granted) {
        answer(&self.to, self.number, what);
    }
}

/// Requests in both directions. The rules bound them all: pieces in flight, uploads, and requests
/// that wait.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    asked: HashMap<u32, Asked>,
    asked_ever: u32,
    waiting: HashMap<Ticket, Waiting>,
    uploads: HashMap<Ticket, TransferId>,
}

impl Pieces {
    /// A name for a request that no other in flight has.
    fn note(&mut self, asked: Asked) -> u32 {
        // There are a handful in flight, so one that went around would not meet itself.
        self.asked_ever = self.asked_ever.wrapping_add(1);
        self.asked.insert(self.asked_ever, asked);
        self.asked_ever
    }
}

impl Swarm {
    /// Asks a peer for a piece.
    pub(super) fn ask(&mut self, transfer: TransferId, peer: Peer, piece: Piece) {
        if let Err(reason) = self.try_ask(transfer, peer, piece) {
            self.tell(Input::Missed {
                transfer,
                piece,
                peer,
                reason,
            });
        }
    }

    fn try_ask(&mut self, transfer: TransferId, peer: Peer, piece: Piece) -> Result<(), Miss> {
        let to = self.names.known(peer).ok_or(Miss::Broken)?.peer;
        let session = self.sessions.get_mut(&to).filter(|session| session.joined);
        let (session, its) = session.zip(self.transfers.get(&transfer)).ok_or(Miss::Broken)?;
        let (address, key) = session.bulk_door().ok_or(Miss::Broken)?;
        let number = self.pieces.note(Asked {
            transfer,
            peer,
            piece,
        });
        let wish = Wish {
            number,
            artifact: its.artifact(),
            piece,
            // At most PIECE_LENGTH_MAX, so it fits.
            length: its.piece_length(piece) as usize,
        };
        let own = self.config.identity.peer();
        let target = || Target {
            peer: to,
            address,
            token: token::make(&key, own, to, session.next_bulk_count()),
        };
        if self.bulk.want(to, wish, target) {
            Ok(())
        } else {
            self.pieces.asked.remove(&number);
            Err(Miss::Refused)
        }
    }

    /// Stops waiting for a piece.
    pub(super) fn abandon(&mut self, transfer: TransferId, peer: Peer, piece: Piece) {
        self.drop_asked(|asked| asked.transfer == transfer && asked.peer == peer && asked.piece == piece);
    }

    /// Forgets what was asked of a peer that takes no part in a transfer any more: the rules know that
    /// nothing will come.
    pub(super) fn abandon_all(&mut self, transfer: TransferId, peer: Peer) {
        self.drop_asked(|asked| asked.transfer == transfer && asked.peer == peer);
    }

    /// The same for a peer that is gone.
    pub(super) fn abandon_peer(&mut self, peer: Peer) {
        self.drop_asked(|asked| asked.peer == peer);
    }

    fn drop_asked(&mut self, over: impl Fn(&Asked) -> bool) {
        let over: Vec<_> = self.pieces.asked.extract_if(|_, asked| over(asked)).collect();
        for (number, asked) in over {
            if let Some(known) = self.names.known(asked.peer) {
                self.bulk.give_up(known.peer, number);
            }
        }
    }

    pub(super) fn on_bulk(&mut self, event: Event) {
        match event {
            Event::Arrived { number, bytes } => self.arrived(number, bytes),
            Event::Missed { number, reason } => {
                if let Some(Asked {
                    transfer,
                    peer,
                    piece,
                }) = self.pieces.asked.remove(&number)
                {
                    self.tell(Input::Missed {
                        transfer,
                        piece,
                        peer,
                        reason,
                    });
                }
            }
            Event::Requested {
                ticket,
                number,
                peer,
                artifact,
                piece,
                to,
            } => self.asked_for(ticket, peer, &artifact, (number, piece, to)),
            Event::Withdrawn { ticket } => {
                if let Some(waiting) = self.pieces.waiting.remove(&ticket) {
                    waiting.answer(Granted::Refused);
                    self.tell(Input::Served { ticket });
                }
            }
            Event::Over { ticket, sent_bytes } => self.over(ticket, sent_bytes),
            Event::Offended { peer, what } => self.offended(peer, &what),
        }
    }

    fn arrived(&mut self, number: u32, bytes: Buffer) {
        let Some(Asked {
            transfer,
            peer,
            piece,
        }) = self.pieces.asked.remove(&number)
        else {
            return;
        };
        self.take_piece(transfer, piece, peer, bytes);
    }

    /// A peer wants a piece; the rules decide when and whether.
    fn asked_for(
        &mut self,
        ticket: Ticket,
        peer: PeerId,
        artifact: &model::ArtifactId,
        (number, piece, to): (u32, Piece, mpsc::Sender<Answer>),
    ) {
        let joined = self.sessions.get(&peer).is_some_and(|session| session.joined);
        let transfer = self.shared(artifact).filter(|_| joined);
        let Some((transfer, peer)) = transfer.zip(self.names.of(peer)) else {
            return answer(&to, number, Granted::Refused);
        };
        let waiting = Waiting {
            transfer,
            piece,
            number,
            to,
        };
        self.pieces.waiting.insert(ticket, waiting);
        self.tell(Input::Requested {
            transfer,
            peer,
            piece,
            ticket,
        });
    }

    /// Sends a piece. The end of it comes as an event of the bulk plane.
    pub(super) fn upload(&mut self, ticket: Ticket) {
        let Some(waiting) = self.pieces.waiting.remove(&ticket) else {
            self.tell(Input::Served { ticket });
            return;
        };
        self.pieces.uploads.insert(ticket, waiting.transfer);
        let Some(its) = self.transfers.get(&waiting.transfer) else {
            waiting.answer(Granted::Refused);
            return;
        };
        let piece = waiting.piece;
        let supply = match &its.place {
            Place::Folder(folder) => Supply::Files {
                folder: folder.clone(),
                piece,
            },
            Place::Remote(source) => Supply::Remote {
                manifest: its.manifest.clone(),
                source: source.clone(),
                piece,
            },
        };
        let cancel = its.cancel.clone();
        waiting.answer(Granted::Piece { supply, cancel });
    }

    pub(super) fn refuse(&mut self, ticket: Ticket) {
        if let Some(waiting) = self.pieces.waiting.remove(&ticket) {
            waiting.answer(Granted::Refused);
        }
    }

    /// An upload has ended, or the asker of a request that waits is gone.
    fn over(&mut self, ticket: Ticket, sent_bytes: u64) {
        let uploaded = self.pieces.uploads.remove(&ticket);
        if let Some(its) = uploaded.and_then(|transfer| self.transfers.get_mut(&transfer)) {
            its.served(sent_bytes);
            metrics::count(metrics::SERVED_BYTES, sent_bytes);
        }
        if uploaded.is_some() || self.pieces.waiting.remove(&ticket).is_some() {
            self.tell(Input::Served { ticket });
        }
    }
}

/// The channel has room for an answer to every request that may be open; closed, its asker is gone.
fn answer(to: &mpsc::Sender<Answer>, number: u32, what: Granted) {
    drop(to.try_send(Answer { number, what }));
}
