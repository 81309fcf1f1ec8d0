//! Lets the look-ups of a request wait until it has nothing else to do. Only then is every key known
//! that one statement can answer for: a page of a hundred rows takes as many statements as one of five.

use futures_util::Stream;
use futures_util::future::BoxFuture;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use tokio::task::JoinHandle;

/// How often a request is asked whether it has come to rest before others have their turn.
const PATIENCE: usize = 100;

/// The look-ups of one request that wait for their turn.
#[derive(Clone, Default)]
pub(crate) struct Batches(Arc<Mutex<VecDeque<BoxFuture<'static, ()>>>>);

impl Batches {
    /// Puts a look-up last in the line.
    pub(crate) fn push(&self, batch: BoxFuture<'static, ()>) {
        self.waiting().push_back(batch);
    }

    fn next(&self) -> Option<BoxFuture<'static, ()>> {
        self.waiting().pop_front()
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, VecDeque<BoxFuture<'static, ()>>> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request with its look-ups: one at a time, so that no request takes more than one connection for
/// them, and each when the request has come to rest.
pub(crate) struct Batched<W> {
    work: Pin<Box<W>>,
    batches: Batches,
    /// In a task of its own: it ends well even if the request is given up.
    running: Option<JoinHandle<()>>,
}

/// Notes that the request can go on, and wakes whoever runs it.
struct Bell {
    rung: AtomicBool,
    outer: Waker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.outer.wake_by_ref();
    }
}

impl<W> Batched<W> {
    pub(crate) fn new(work: W, batches: Batches) -> Self {
        Self {
            work: Box::pin(work),
            batches,
            running: None,
        }
    }

    fn drive<T>(
        &mut self,
        outer: &Context<'_>,
        poll: impl Fn(Pin<&mut W>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let bell = Arc::new(Bell {
            rung: AtomicBool::new(false),
            outer: outer.waker().clone(),
        });
        let waker = Waker::from(bell.clone());
        let mut context = Context::from_waker(&waker);
        for _ in 0..PATIENCE {
            bell.rung.store(false, Ordering::Release);
            if let Poll::Ready(done) = poll(self.work.as_mut(), &mut context) {
                return Poll::Ready(done);
            }
            if bell.rung.load(Ordering::Acquire) {
                continue;
            }
            if self.running.is_none() {
                self.running = self.batches.next().map(tokio::spawn);
            }
            let Some(running) = self.running.as_mut() else {
                return Poll::Pending;
            };
            if Pin::new(running).poll(&mut context).is_pending() {
                return Poll::Pending;
            }
            // Whoever asked has been answered, or has seen that nobody will.
            self.running = None;
        }
        outer.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<W: Future> Future for Batched<W> {
    type Output = W::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<W::Output> {
        self.drive(context, Future::poll)
    }
}

impl<W: Stream> Stream for Batched<W> {
    type Item = W::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<W::Item>> {
        self.drive(context, Stream::poll_next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use std::sync::atomic::AtomicUsize;
    use tokio::sync::oneshot;

    /// Asks for a number in the batch that is open, or opens one.
    #[derive(Clone, Default)]
    struct Numbers {
        batches: Batches,
        asked: Arc<Mutex<Vec<oneshot::Sender<usize>>>>,
        count: Arc<AtomicUsize>,
    }

    impl Numbers {
        async fn ask(&self) -> usize {
            let (send, answer) = oneshot::channel();
            let first = {
                let mut asked = self.asked.lock().unwrap();
                asked.push(send);
                asked.len() == 1
            };
            if first {
                let (asked, count) = (self.asked.clone(), self.count.clone());
                self.batches.push(Box::pin(async move {
                    tokio::task::yield_now().await;
                    let all: Vec<_> = asked.lock().unwrap().drain(..).collect();
                    count.fetch_add(1, Ordering::Relaxed);
                    let size = all.len();
                    for one in all {
                        one.send(size).unwrap();
                    }
                }));
            }
            answer.await.unwrap()
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_asked_for_together_is_looked_up_together() {
        for _ in 0..100 {
            let numbers = Numbers::default();
            let one = async |n: usize| {
                // Not all come to their question at once, nor in one step.
                for _ in 0..n % 3 {
                    tokio::task::yield_now().await;
                }
                let first = numbers.ask().await;
                (first, numbers.ask().await)
            };
            let work = join_all((0..200).map(one));
            let batches = numbers.batches.clone();
            let answers = Batched::new(work, batches).await;
            assert_eq!(answers, vec![(200, 200); 200]);
            assert_eq!(numbers.count.load(Ordering::Relaxed), 2);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_look_up_that_panics_ends_the_wait_of_who_asked() {
        let batches = Batches::default();
        let (send, answer) = oneshot::channel::<()>();
        batches.push(Box::pin(async move {
            let _held = send;
            panic!("as a test wants it");
        }));
        assert!(Batched::new(answer, batches).await.is_err());
    }
}
