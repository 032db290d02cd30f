//! The timer of one client's connection.

use hyper::rt::{Sleep, Timer};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// A timer that has one place among the runtime's timers, for all that sleep by it.
///
/// hyper begins to sleep anew for each request's head that it waits for, and ends it when the head is there. Among the
/// runtime's timers each of the two takes a lock and changes a list. A connection waits for one head at a time, and
/// each time longer than the last, so it keeps its place and only moves it on, which is one store.
#[derive(Debug, Clone)]
pub(crate) struct OneTimer(Arc<Mutex<Pin<Box<tokio::time::Sleep>>>>);

/// A sleep by a [`OneTimer`]. Of several, the one that was asked last is woken.
struct Until {
    deadline: tokio::time::Instant,
    timer: OneTimer,
}

impl OneTimer {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Box::pin(tokio::time::sleep(Duration::ZERO)))))
    }
}

impl Timer for OneTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Until {
            deadline: deadline.into(),
            timer: self.clone(),
        })
    }
}

impl Future for Until {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut place = self.timer.0.lock().unwrap_or_else(PoisonError::into_inner);
        if place.deadline() != self.deadline {
            place.as_mut().reset(self.deadline);
        }
        place.as_mut().poll(context)
    }
}

impl Sleep for Until {}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_place_is_used_again_and_each_sleep_lasts_as_long_as_it_should() {
        let timer = OneTimer::new();
        let begun = Instant::now();
        let long = timer.sleep(Duration::from_secs(3_600));
        assert!(
            tokio::time::timeout(Duration::from_millis(1), long)
                .await
                .is_err()
        );
        for _ in 0..3 {
            timer.sleep(Duration::from_millis(10)).await;
        }
        let lasted = begun.elapsed();
        assert!(
            lasted >= Duration::from_millis(31) && lasted < Duration::from_secs(3_600),
            "{lasted:?}"
        );
    }
}
