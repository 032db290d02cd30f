//! Our end of a bulk connection that we open to a peer: we ask, pieces come in.

use super::inflow::{End, Inflow};
use super::{Event, HANDSHAKE_TIMEOUT, IDLE, OPEN_MAX, STALL, Shared, Target, Wish};
use crate::PeerId;
use crate::metrics::{self, Direction};
use crate::pacer::Pacer;
use crate::security::{self, Failed, Plane, Reader, Secured, Writer, handshake};
use crate::wire::bulk::{REQUEST_LENGTH, Request};
use futures::FutureExt;
use futures::future::{BoxFuture, OptionFuture};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use swarm_core::Miss;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, timeout};

/// Orders that may wait for a connection, while it is being opened above all.
const ORDERS_MAX: usize = OPEN_MAX;
/// How long one piece may take: eight of 8 MiB that share the lowest limit that can be set take 32 s.
/// Whether a source is too slow compared to others is the rules' to see.
const PIECE_TIMEOUT: Duration = Duration::from_secs(60);
/// How often waiting pieces are looked at.
const TICK: Duration = Duration::from_secs(1);
/// Bytes that come before the rate is asked again.
const PACE_LENGTH: usize = 64 << 10;

/// What the driver tells a connection.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    Want(Wish),
    Cancel(u32),
}

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("nobody needs it")]
    Idle,
    #[error("the far end closed it")]
    Closed,
    #[error("it could not be opened: {0}")]
    Unopened(#[from] Failed),
    #[error("it broke: {0}")]
    Broken(#[from] io::Error),
    #[error("it carries what it should not: {0}")]
    Secret(#[from] security::Broken),
    #[error("the peer took no request for too long")]
    Stalled(#[from] tokio::time::error::Elapsed),
    #[error("{0}")]
    Offence(#[from] super::inflow::Broken),
}

/// A connection that we open, and what is asked over it.
struct Downlink {
    shared: Arc<Shared>,
    peer: PeerId,
    inflow: Inflow,
    /// When each wanted piece was asked for.
    asked: HashMap<u32, Instant>,
    /// When a byte came, or the first piece was asked for since then.
    moved_at: Instant,
}

/// Opens a connection; whatever is ordered meanwhile waits. Closed when the receiver of orders is.
pub(super) fn spawn(shared: &Arc<Shared>, target: Target) -> mpsc::Sender<Order> {
    let (sender, orders) = mpsc::channel(ORDERS_MAX);
    let link = Downlink {
        shared: Arc::clone(shared),
        peer: target.peer,
        inflow: Inflow::new(shared.buffers.clone()),
        asked: HashMap::new(),
        moved_at: Instant::now(),
    };
    shared.tasks.spawn(link.run(target, orders));
    sender
}

impl Downlink {
    async fn run(mut self, target: Target, mut orders: mpsc::Receiver<Order>) {
        let stop = self.shared.stop.clone();
        let live = async {
            let secured = self.connect(target).await?;
            self.exchange(secured, &mut orders).await
        };
        let ended = tokio::select! {
            ended = live => ended,
            () = stop.cancelled() => return,
        };
        orders.close();
        while let Some(order) = orders.recv().await {
            if let Order::Want(wish) = order {
                self.asked.insert(wish.number, Instant::now());
            }
        }
        for number in std::mem::take(&mut self.asked).into_keys() {
            self.miss(number, Miss::Broken).await;
        }
        match ended {
            Err(Ended::Offence(what)) => {
                let (peer, what) = (self.peer, what.to_string());
                self.shared.tell(Event::Offended { peer, what }).await;
            }
            Err(reason) => tracing::debug!(peer = %self.peer, %reason, "a bulk connection ended"),
            Ok(()) => {}
        }
    }

    async fn connect(&self, target: Target) -> Result<Secured, Ended> {
        let connect = async {
            let connection = TcpStream::connect(target.address).await?;
            connection.set_nodelay(true)?;
            let mut secured = handshake::connect(&self.shared.tls, connection).await?;
            if secured.peer != target.peer {
                return Err(Failed::Protocol);
            }
            secured
                .writer
                .put(&target.token.encode())
                .map_err(io::Error::from)?;
            secured.writer.flush().await?;
            Ok(secured)
        };
        Ok(timeout(HANDSHAKE_TIMEOUT, connect).await??)
    }

    /// Asks and takes in until nobody gives orders any more or the connection is of no use.
    async fn exchange(&mut self, secured: Secured, orders: &mut mpsc::Receiver<Order>) -> Result<(), Ended> {
        let Secured {
            mut reader,
            mut writer,
            ..
        } = secured;
        let download = self.shared.pacers.down.clone();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut unpaid = 0;
        let mut turn: Option<BoxFuture<'static, ()>> = None;
        loop {
            let paying = turn.is_some();
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.obey(order, &mut writer).await?,
                    None => return Ok(()),
                },
                () = OptionFuture::from(turn.as_mut()).map(drop), if paying => {
                    turn = None;
                    self.moved_at = Instant::now();
                }
                taken = take_in(&mut reader, &mut self.inflow), if !paying => {
                    let (bytes, ends) = taken?;
                    self.moved_at = Instant::now();
                    for end in ends {
                        self.ended(end).await;
                    }
                    unpaid += bytes;
                    if unpaid >= PACE_LENGTH {
                        turn = wait_turn(&download, unpaid);
                        unpaid = 0;
                    }
                }
                _ = tick.tick() => self.look(&mut writer, paying).await?,
            }
        }
    }

    async fn obey(&mut self, order: Order, writer: &mut Writer) -> Result<(), Ended> {
        match order {
            Order::Want(wish) if self.inflow.open() >= OPEN_MAX => {
                self.miss(wish.number, Miss::Refused).await
            }
            Order::Want(Wish {
                number,
                artifact,
                piece,
                length,
            }) => {
                let now = Instant::now();
                if self.asked.is_empty() {
                    self.moved_at = now;
                }
                self.inflow.expect(number, length);
                self.asked.insert(number, now);
                let request = Request::Want {
                    number,
                    artifact,
                    piece,
                };
                send(writer, request).await?;
            }
            Order::Cancel(number) => self.give_up(number, writer).await?,
        }
        Ok(())
    }

    async fn give_up(&mut self, number: u32, writer: &mut Writer) -> Result<(), Ended> {
        self.asked.remove(&number);
        if self.inflow.give_up(number) {
            send(writer, Request::Cancel { number }).await?;
        }
        Ok(())
    }

    async fn ended(&mut self, end: End) {
        match end {
            End::Arrived { number, bytes } => {
                self.asked.remove(&number);
                self.shared.tell(Event::Arrived { number, bytes }).await;
            }
            End::Refused { number } => self.miss(number, Miss::Refused).await,
            End::Stopped { number } => self.miss(number, Miss::Broken).await,
        }
    }

    async fn miss(&mut self, number: u32, reason: Miss) {
        self.asked.remove(&number);
        self.shared.tell(Event::Missed { number, reason }).await;
    }

    /// Gives up what takes too long. Time in which we ourselves keep to a rate doesn't count as silence.
    async fn look(&mut self, writer: &mut Writer, paying: bool) -> Result<(), Ended> {
        let now = Instant::now();
        let quiet = now.duration_since(self.moved_at);
        if self.asked.is_empty() && quiet >= IDLE {
            return Err(Ended::Idle);
        }
        let silent = quiet >= STALL && !paying;
        let late = |asked: &Instant| silent || now.duration_since(*asked) >= PIECE_TIMEOUT;
        let late: Vec<u32> = self
            .asked
            .iter()
            .filter(|(_, asked)| late(asked))
            .map(|(number, _)| *number)
            .collect();
        for number in late {
            self.give_up(number, writer).await?;
            self.miss(number, Miss::TimedOut).await;
        }
        Ok(())
    }
}

/// The wait until so many bytes are paid for, if there is one. It is kept until it is over: begun anew, it
/// would pay anew.
fn wait_turn(download: &Pacer, bytes: usize) -> Option<BoxFuture<'static, ()>> {
    let download = download.clone();
    let mut turn = async move { download.pass(bytes).await }.boxed();
    match (&mut turn).now_or_never() {
        Some(()) => None,
        None => Some(turn),
    }
}

/// Decrypts what has come, as much as the connection holds; how many bytes, and the requests that ended by it. Nothing
/// is lost if it is dropped while it waits.
async fn take_in(reader: &mut Reader, inflow: &mut Inflow) -> Result<(usize, Vec<End>), Ended> {
    if !reader.wait().await? {
        return Err(Ended::Closed);
    }
    let (mut bytes, mut ends) = (0, Vec::new());
    while let Some(room) = reader.next_room()? {
        let length = match inflow.place(room.saturating_sub(1)) {
            Some(place) => {
                let length = reader.open(place)?.ok_or(Ended::Closed)?;
                inflow.came(length, &mut ends);
                length
            }
            None => {
                let record = reader.open_here()?.ok_or(Ended::Closed)?;
                inflow.feed(record, &mut ends)?;
                record.len()
            }
        };
        bytes += length;
    }
    metrics::count_wire(Plane::Bulk, Direction::In, bytes as u64);
    Ok((bytes, ends))
}

async fn send(writer: &mut Writer, request: Request) -> Result<(), Ended> {
    writer.put(&request.encode())?;
    timeout(STALL, writer.flush()).await??;
    metrics::count_wire(Plane::Bulk, Direction::Out, REQUEST_LENGTH as u64);
    Ok(())
}
