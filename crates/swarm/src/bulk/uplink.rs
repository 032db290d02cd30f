//! Our end of a bulk connection that a peer has opened: it asks, we send.

use super::parents::Tie;
use super::{Answer, Event, Granted, IDLE, OPEN_MAX, STALL, Shared};
use crate::PeerId;
use crate::metrics::{self, Direction};
use crate::security::{Broken, Plane, Reader, Secured, Writer};
use crate::wire::bulk::{BLOCK_LENGTH_MAX, HEADER_LENGTH, Header, REQUEST_LENGTH, Request, What};
use bytes::Bytes;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use swarm_core::Ticket;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// A request whose end was not sent.
#[derive(Debug)]
struct Open {
    ticket: Ticket,
    cancel: CancellationToken,
}

/// The requests of one connection.
#[derive(Debug, Default)]
struct Requests(Mutex<HashMap<u32, Open>>);

impl Requests {
    fn lock(&self) -> MutexGuard<'_, HashMap<u32, Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    #[error("nothing more can be sent: {0}")]
    Unsealed(#[from] Broken),
    #[error("the peer took nothing for too long")]
    Stalled(#[from] tokio::time::error::Elapsed),
    #[error("{0}")]
    Offence(&'static str),
}

/// Serves a peer until its session ends, it goes away, or it breaks the rules.
pub(super) async fn run(shared: Arc<Shared>, connection: Secured, tie: Tie) {
    let Secured { peer, reader, writer } = connection;
    let (to, answers) = mpsc::channel(OPEN_MAX);
    let requests = Requests::default();
    let hear = hear(&shared, peer, reader, &requests, to);
    let speak = speak(&shared, writer, &requests, answers);
    let ended = tokio::select! {
        ended = hear => ended,
        ended = speak => ended,
        () = tie.end.cancelled() => Ok(()),
        () = shared.stop.cancelled() => Ok(()),
    };
    let left: Vec<Open> = requests.lock().drain().map(|(_, open)| open).collect();
    for Open { ticket, cancel } in left {
        cancel.cancel();
        shared
            .tell(Event::Over {
                ticket,
                sent_bytes: 0,
            })
            .await;
    }
    match ended {
        Ok(()) => {}
        Err(Ended::Offence(what)) => {
            let what = what.to_owned();
            shared.tell(Event::Offended { peer, what }).await;
        }
        Err(error) => tracing::debug!(%peer, %error, "a bulk connection ended"),
    }
}

/// Takes requests and hands them to the driver.
async fn hear(
    shared: &Shared,
    peer: PeerId,
    mut reader: Reader,
    requests: &Requests,
    to: mpsc::Sender<Answer>,
) -> Result<(), Ended> {
    loop {
        let frame: [u8; REQUEST_LENGTH] = match timeout(IDLE, reader.read_array()).await {
            Ok(read) => read?,
            Err(_) if requests.lock().is_empty() => return Ok(()),
            // It waits for us.
            Err(_) => continue,
        };
        metrics::count_wire(Plane::Bulk, Direction::In, REQUEST_LENGTH as u64);
        match Request::decode(&frame).map_err(|_| Ended::Offence("sent a malformed bulk request"))? {
            Request::Want {
                number,
                artifact,
                piece,
            } => {
                let ticket = shared.next_ticket();
                open(requests, number, ticket)?;
                let to = to.clone();
                let event = Event::Requested {
                    ticket,
                    number,
                    peer,
                    artifact,
                    piece,
                    to,
                };
                shared.tell(event).await;
            }
            Request::Cancel { number } => {
                // Not there, if its end and the cancel have crossed.
                let withdrawn = requests.lock().get(&number).map(|open| {
                    open.cancel.cancel();
                    open.ticket
                });
                if let Some(ticket) = withdrawn {
                    shared.tell(Event::Withdrawn { ticket }).await;
                }
            }
        }
    }
}

fn open(requests: &Requests, number: u32, ticket: Ticket) -> Result<(), Ended> {
    let mut requests = requests.lock();
    if requests.len() >= OPEN_MAX {
        return Err(Ended::Offence("opened too many bulk requests"));
    }
    let cancel = CancellationToken::new();
    match requests.insert(number, Open { ticket, cancel }) {
        None => Ok(()),
        Some(_) => Err(Ended::Offence("gave two bulk requests one name")),
    }
}

/// Sends what the driver grants, one piece at a time: whole sooner, it can be passed on sooner.
async fn speak(
    shared: &Shared,
    mut writer: Writer,
    requests: &Requests,
    mut answers: mpsc::Receiver<Answer>,
) -> Result<(), Ended> {
    while let Some(Answer { number, what }) = answers.recv().await {
        let Some(gone) = requests.lock().get(&number).map(|open| open.cancel.clone()) else {
            continue;
        };
        let sent = match what {
            Granted::Refused => {
                say(&mut writer, number, What::Refused)?;
                0
            }
            Granted::Piece { supply, cancel } => {
                let length = supply.length();
                let chunks = supply.open(&shared.tasks);
                let nobody = || gone.is_cancelled() || cancel.is_cancelled();
                let sent = send(shared, &mut writer, number, chunks, nobody).await?;
                if sent < length {
                    let what = if sent == 0 && !gone.is_cancelled() {
                        What::Refused
                    } else {
                        What::Stopped
                    };
                    say(&mut writer, number, what)?;
                }
                sent
            }
        };
        timeout(STALL, writer.flush()).await??;
        let over = requests.lock().remove(&number);
        if let Some(Open { ticket, .. }) = over {
            let over = Event::Over {
                ticket,
                sent_bytes: sent,
            };
            shared.tell(over).await;
        }
    }
    Ok(())
}

/// Sends a piece block by block as it is read, until it is whole, cannot be read, or nobody needs it;
/// how many bytes were sent.
async fn send(
    shared: &Shared,
    writer: &mut Writer,
    number: u32,
    mut chunks: mpsc::Receiver<Bytes>,
    nobody: impl Fn() -> bool,
) -> Result<u64, Ended> {
    let mut sent_bytes = 0;
    while let Some(mut chunk) = chunks.recv().await {
        while !chunk.is_empty() {
            if nobody() {
                return Ok(sent_bytes);
            }
            let block = chunk.split_to(chunk.len().min(BLOCK_LENGTH_MAX));
            let length = block.len() as u32;
            shared.pacers.up.pass(length as usize).await;
            let header = Header {
                number,
                what: What::Block(length),
            };
            // In a record of its own, so that the block's are full and hold nothing else.
            writer.put(&header.encode())?;
            writer.put(&block)?;
            timeout(STALL, writer.flush()).await??;
            sent_bytes += u64::from(length);
            count_sent(HEADER_LENGTH as u64 + u64::from(length));
        }
    }
    Ok(sent_bytes)
}

/// Says something with the next flush.
fn say(writer: &mut Writer, number: u32, what: What) -> Result<(), Ended> {
    writer.put(&Header { number, what }.encode())?;
    count_sent(HEADER_LENGTH as u64);
    Ok(())
}

fn count_sent(bytes: u64) {
    metrics::count_wire(Plane::Bulk, Direction::Out, bytes);
}
