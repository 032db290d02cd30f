//! What is told to neighbours, and what is believed of what they say.

use crate::transfer::{Context, Transfer};
use crate::{BanReason, GAINED_MAX, Message, News, Output, Peer, Piece, PieceSet, Time};
use std::time::Duration;

/// Announcements that come closer together than this travel as one. Small beside the time of a piece
/// of 8 MiB (67 ms at 1 Gbit/s), so that news of such a piece never waits; small pieces, which
/// come by the hundred, share a message.
const ANNOUNCE_EVERY: Duration = Duration::from_millis(20);
/// So many of them travel at once, however soon after the last. A seed in its first pass offers a
/// neighbour new pieces as old ones are announced, a bounded number ahead: were small pieces gathered for all
/// of [`ANNOUNCE_EVERY`], no more than that number could flow each 20 ms, whatever the link carries.
const ANNOUNCE_AT_ONCE: usize = 4;

/// Pieces that are on disk and that nobody was told of yet.
#[derive(Debug, Default)]
pub(crate) struct Announcements {
    pieces: Vec<Piece>,
    last_at: Option<Time>,
}

impl Announcements {
    pub fn add(&mut self, piece: Piece) {
        self.pieces.push(piece);
    }
}

impl Transfer {
    /// Tells a new neighbour what we can give. A seed in its first pass says nothing yet.
    pub fn greet(&mut self, peer: Peer, cx: &mut Context<'_>) {
        let pieces = match self.first_pass {
            Some(_) => PieceSet::empty(self.held.pieces()),
            None => self.held.clone(),
        };
        cx.outputs.push_back(Output::Send {
            transfer: self.id,
            peer,
            message: Message::Have { pieces },
        });
    }

    /// Tells what we gained, now or when enough time has passed since the last time.
    pub fn announce_soon(&mut self, cx: &mut Context<'_>) {
        if self.announcements.pieces.is_empty() {
            return;
        }
        let few = self.announcements.pieces.len() < ANNOUNCE_AT_ONCE;
        match self.announcements.last_at.map(|last| last.after(ANNOUNCE_EVERY)) {
            Some(next) if few && next > cx.now => self.wake_at(next, "gained pieces are to be announced"),
            _ => self.announce(cx),
        }
    }

    /// Tells what we gained to those who lack some of it, and now and then to the others. A neighbour that has it all
    /// will never ask us for it, and by and large half of all news would be such news; libtorrent sends none
    /// either unless told to (`send_redundant_have`).
    pub fn announce(&mut self, cx: &mut Context<'_>) {
        let mut left = std::mem::take(&mut self.announcements.pieces);
        while !left.is_empty() {
            let later = left.split_off(left.len().min(GAINED_MAX));
            let pieces = std::mem::replace(&mut left, later);
            self.announcements.last_at = Some(cx.now);
            let peers = self.who_is_told_of(&pieces);
            if !peers.is_empty() {
                let message = self.gained(pieces, cx);
                cx.outputs.push_back(Output::Announce {
                    transfer: self.id,
                    peers,
                    message,
                });
            }
        }
    }

    fn who_is_told_of(&mut self, pieces: &[Piece]) -> Vec<Peer> {
        let holders = pieces.iter().map(|&piece| self.picker.holders(piece));
        let hold_all = holders.fold(u64::MAX, |all, holders| all & holders);
        let mut told = Vec::with_capacity(self.neighbours.len());
        for (place, neighbour) in self.neighbours.iter_mut().enumerate() {
            if neighbour.is_told(hold_all >> place & 1 == 0) {
                told.push(neighbour.peer);
            }
        }
        told
    }

    fn gained(&self, pieces: Vec<Piece>, cx: &Context<'_>) -> Message {
        Message::Gained {
            pieces,
            held: self.held.held(),
            waiting: cx.waiting,
        }
    }

    /// Takes in what a neighbour says.
    ///
    /// # Errors
    /// When no honest neighbour would have said it; then it is to be banned.
    pub fn hear(&mut self, peer: Peer, message: Message, cx: &mut Context<'_>) -> Result<(), BanReason> {
        let Some(index) = self.index_of(peer) else {
            return Ok(());
        };
        match message {
            Message::Have { pieces } => self.hear_have(index, pieces)?,
            Message::Gained {
                pieces,
                held,
                waiting,
            } => {
                let news = News {
                    peer,
                    pieces: &pieces,
                    held,
                    waiting,
                };
                return self.hear_news(&news, cx);
            }
        }
        self.go_on_with_first_pass(peer, cx);
        Ok(())
    }

    /// Takes in what a neighbour gained.
    ///
    /// # Errors
    /// As [`Transfer::hear`].
    pub fn hear_news(&mut self, news: &News<'_>, cx: &mut Context<'_>) -> Result<(), BanReason> {
        let Some(index) = self.index_of(news.peer) else {
            return Ok(());
        };
        let neighbour = &mut self.neighbours[index];
        (neighbour.held, neighbour.waiting) = (news.held, news.waiting);
        self.hear_gained(index, news.pieces)?;
        if self.first_pass.is_some() {
            self.go_on_with_first_pass(news.peer, cx);
        }
        Ok(())
    }

    fn go_on_with_first_pass(&mut self, peer: Peer, cx: &mut Context<'_>) {
        self.offer_to(peer, cx);
        self.end_first_pass(cx);
    }

    /// A whole state replaces what we knew, also where it is less: the copies are counted anew.
    fn hear_have(&mut self, index: usize, pieces: PieceSet) -> Result<(), BanReason> {
        if pieces.pieces() != self.held.pieces() {
            return Err(BanReason::WrongSize {
                pieces: pieces.pieces(),
            });
        }
        let neighbour = &mut self.neighbours[index];
        if neighbour.met && !neighbour.endure_set() {
            return Err(BanReason::Flood);
        }
        neighbour.met = true;
        self.promising |= 1 << index;
        neighbour.held = pieces.held();
        self.picker.lost_all(index);
        for piece in pieces.iter() {
            self.picker.gained(index, piece);
            if let Some(pass) = &mut self.first_pass {
                pass.given(piece);
            }
        }
        Ok(())
    }

    fn hear_gained(&mut self, index: usize, pieces: &[Piece]) -> Result<(), BanReason> {
        let neighbour = &mut self.neighbours[index];
        if pieces.len() > GAINED_MAX {
            return Err(BanReason::Flood);
        }
        if pieces.is_empty() && !neighbour.endure(1) {
            return Err(BanReason::Flood);
        }
        for &piece in pieces {
            if piece >= self.held.pieces() {
                return Err(BanReason::OutOfRange { piece });
            }
            if self.picker.gained(index, piece) {
                // In the end game every piece that it gains may be one that we wait for.
                let promising = self.picker.is_open(piece) || self.picker.open_count() == 0;
                self.promising |= u64::from(promising) << index;
            } else if !neighbour.endure(1) {
                return Err(BanReason::Flood);
            }
            if let Some(pass) = &mut self.first_pass {
                pass.given(piece);
            }
        }
        Ok(())
    }

    /// A seed in its first pass tells a neighbour of pieces that nobody else was told of.
    fn offer_to(&mut self, peer: Peer, cx: &mut Context<'_>) {
        let met = self.neighbour(peer).is_some_and(|neighbour| neighbour.met);
        let Some(pass) = self.first_pass.as_mut().filter(|_| met) else {
            return;
        };
        let pieces = pass.offer(peer, cx.now);
        let neglect = pass.next_neglect(cx.now);
        if !pieces.is_empty() {
            let message = self.gained(pieces, cx);
            cx.outputs.push_back(Output::Send {
                transfer: self.id,
                peer,
                message,
            });
        }
        if let Some(at) = neglect {
            self.wake_at(at, "an offered piece may be offered to others");
        }
    }

    /// Offers to every neighbour that has room for more.
    pub fn offer_to_all(&mut self, cx: &mut Context<'_>) {
        if self.first_pass.is_some() {
            let peers: Vec<Peer> = self.neighbours.iter().map(|neighbour| neighbour.peer).collect();
            peers.into_iter().for_each(|peer| self.offer_to(peer, cx));
        }
    }

    /// A neighbour asked for `piece`, so it has room for another offer.
    pub fn offer_taken(&mut self, piece: Piece, peer: Peer, cx: &mut Context<'_>) {
        if let Some(pass) = &mut self.first_pass {
            pass.asked_for(piece, peer);
            self.offer_to(peer, cx);
        }
    }

    /// Once every piece is out there, a seed says that it has them all.
    fn end_first_pass(&mut self, cx: &mut Context<'_>) {
        if self.first_pass.take_if(|pass| pass.is_over()).is_some() {
            let peers: Vec<Peer> = self.neighbours.iter().map(|neighbour| neighbour.peer).collect();
            peers.into_iter().for_each(|peer| self.greet(peer, cx));
        }
    }
}
