//! What goes over a connection.
//!
//! On the control plane three protocols share one frame ([`frame`]) and one codec ([`codec`]): a request
//! is a length and that many bytes, an answer is a status, a length and that many bytes. Each protocol
//! sets its own limits, and a frame that breaks them ends its stream before memory is taken for it. The
//! bulk plane has frames of its own ([`bulk`]).

pub(crate) mod bulk;
pub(crate) mod codec;
pub(crate) mod control;
pub(crate) mod frame;
pub(crate) mod hello;
