//! One request over a connection, and its response.

use super::connection::{Connection, Writer};
use super::decoder::Decoder;
use super::encoder::Encoder;
use super::{Error, head};
use crate::body::Outgoing;
use bytes::{Bytes, BytesMut};
use hyper::Method;
use hyper::body::{Body as _, Frame, SizeHint};
use hyper::http::{request, response};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

/// A request that is being sent, or its response that is being read.
#[derive(Debug)]
pub(crate) struct Call {
    connection: Box<Connection>,
    upload: Upload,
    asked_for_head: bool,
    body: Decoder,
    /// Whether the connection may have another request afterwards.
    keeps: bool,
    /// Sends the rest of a request whose response began first.
    apart: Option<AbortOnDropHandle<()>>,
}

/// What of a request was not sent yet.
#[derive(Debug)]
struct Upload {
    body: Outgoing,
    encoder: Encoder,
    ended: bool,
}

impl Call {
    /// Nothing is sent before the answer is waited for.
    pub(super) fn new(mut connection: Box<Connection>, head: &request::Parts, body: Outgoing) -> Self {
        let encoder = Encoder::of(&body);
        if let Some(writer) = &mut connection.writer {
            writer.begun = false;
            head::write(head, &encoder, &mut writer.out.lead);
        }
        Self {
            connection,
            upload: Upload {
                body,
                encoder,
                ended: false,
            },
            asked_for_head: head.method == Method::HEAD,
            body: Decoder::Ended,
            keeps: false,
            apart: None,
        }
    }

    /// Sends the request until its response begins, but no longer than `limit`.
    pub(super) async fn answer(&mut self, limit: Duration) -> Result<response::Parts, Error> {
        self.connection.wait(limit);
        let head = poll_fn(|context| match self.poll_answer(context) {
            Poll::Pending => self.connection.poll_waited(context).map(|()| Err(Error::Slow)),
            ready => ready,
        })
        .await?;
        if let Some(writer) = &self.connection.writer
            && !(self.upload.ended && writer.out.is_empty())
        {
            self.send_apart();
        }
        Ok(head)
    }

    fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<Result<response::Parts, Error>> {
        let connection = &mut *self.connection;
        if let Some(writer) = &mut connection.writer
            && let Poll::Ready(Err(error)) = self.upload.poll_send(writer, context)
        {
            let may_answer = writer.begun && matches!(error, Error::Io(_));
            if !may_answer {
                return Poll::Ready(Err(error));
            }
            // A target that wants no more of a body may say why before it closes.
            self.upload.ended = true;
            connection.writer = None;
        }
        loop {
            if let Some(answer) = head::parse(&mut connection.reader.come, self.asked_for_head)? {
                self.body = answer.body;
                self.keeps = answer.keeps;
                return Poll::Ready(Ok(answer.head));
            }
            if ready!(connection.reader.poll_read(context))? == 0 {
                return Poll::Ready(Err(Error::Closed));
            }
        }
    }

    /// Sends the rest of the request however slowly its response is taken: a client may take none before it has sent
    /// everything.
    fn send_apart(&mut self) {
        let nothing = Upload {
            body: Outgoing(None),
            encoder: Encoder::Nothing,
            ended: true,
        };
        let mut upload = std::mem::replace(&mut self.upload, nothing);
        if let Some(mut writer) = self.connection.writer.take() {
            let sending = tokio::spawn(async move {
                let sent = poll_fn(|context| upload.poll_send(&mut writer, context)).await;
                if let Err(error) = sent {
                    tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        "the rest of a request was not sent"
                    );
                }
                // Closed with the connection, not before: to some targets a half-closed connection is a closed one.
                writer.forget();
            });
            self.apart = Some(AbortOnDropHandle::new(sending));
        }
    }

    /// The request's body, if nothing of the request was sent.
    pub(super) fn into_unsent(self) -> Option<Outgoing> {
        let begun = self.connection.writer.as_ref().is_none_or(|writer| writer.begun);
        (!begun).then_some(self.upload.body)
    }

    /// The next part of the response's body.
    pub(crate) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        loop {
            match self.body.decode(&mut self.connection.reader.come) {
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(None) if self.body.is_ended() => return Poll::Ready(None),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
            let read = ready!(self.connection.reader.poll_read(context));
            let closed = match read {
                Ok(0) => self.body.close(),
                Ok(_) => Ok(()),
                Err(error) => Err(error.into()),
            };
            if let Err(error) = closed {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }

    /// Whether the response's body has ended.
    pub(crate) fn is_ended(&self) -> bool {
        self.body.is_ended()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        match self.body {
            Decoder::Ended => SizeHint::with_exact(0),
            Decoder::Length(left) => SizeHint::with_exact(left),
            Decoder::Chunked(_) | Decoder::UntilClosed => SizeHint::default(),
        }
    }

    /// The connection, if it may have another request.
    pub(crate) fn into_connection(mut self) -> Option<Box<Connection>> {
        // Without its writer, a part of the request may not have been sent.
        let fit = self.keeps && self.is_ended() && self.connection.writer.is_some();
        self.connection.tidy();
        fit.then_some(self.connection)
    }

    /// The socket of a connection that speaks another protocol from here on, and what came of that already.
    pub(crate) fn into_socket(self) -> Option<(TcpStream, BytesMut)> {
        self.connection.into_socket()
    }
}

impl Upload {
    /// Sends head and body; ready when both were sent.
    fn poll_send(&mut self, writer: &mut Writer, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            ready!(writer.poll_write(context))?;
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            let frame = if self.body.is_end_stream() {
                None
            } else {
                ready!(Pin::new(&mut self.body).poll_frame(context))
            };
            match frame {
                Some(frame) => self
                    .encoder
                    .frame(frame.map_err(Error::Request)?, &mut writer.out)?,
                None => {
                    self.encoder.end(&mut writer.out)?;
                    self.ended = true;
                }
            }
        }
    }
}
