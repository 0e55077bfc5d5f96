//! A queue without locks.
//!
//! Things are pushed on a list by one compare-and-swap, and whoever takes takes the whole list by one swap: since nobody
//! takes single things, an address that comes back does no harm.
#![allow(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::ptr;

use super::{AtomicPtr, Ordering};

struct Node<T> {
    thing: T,
    /// The node pushed before, or null.
    next: *mut Node<T>,
}

/// See the module.
pub struct Handover<T> {
    /// The node pushed last.
    newest: AtomicPtr<Node<T>>,
    owns: PhantomData<std::sync::Mutex<T>>,
}

impl<T> Handover<T> {
    /// Nothing on the way.
    pub fn new() -> Self {
        Self { newest: AtomicPtr::new(ptr::null_mut()), owns: PhantomData }
    }

    /// Hands over one thing.
    pub fn push(&self, thing: T) {
        let node = Box::into_raw(Box::new(Node { thing, next: ptr::null_mut() }));
        // Relaxed: only a guess, which the exchange checks.
        let mut newest = self.newest.load(Ordering::Relaxed);
        loop {
            // SAFETY: the node is not on the list yet, so nobody else reaches it.
            unsafe { (*node).next = newest };
            // Release pairs with the acquire in `take`: who takes the node sees the thing and the link.
            match self.newest.compare_exchange(newest, node, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(found) => newest = found,
            }
        }
    }

    /// Whether nothing is on the way.
    pub fn is_empty(&self) -> bool {
        // Acquire: who sees it empty sees what the one who emptied it did.
        self.newest.load(Ordering::Acquire).is_null()
    }

    /// Takes everything, in the order in which it was handed over.
    pub fn take(&self) -> Vec<T> {
        // Relaxed: nothing is read through the pointer.
        if self.newest.load(Ordering::Relaxed).is_null() {
            return Vec::new();
        }
        // Acquire pairs with the release in `push`.
        let mut node = self.newest.swap(ptr::null_mut(), Ordering::Acquire);
        let mut things = Vec::new();
        while !node.is_null() {
            // SAFETY: every node on the list came from `Box::into_raw` in `push`, and the swap has taken the list out of
            // reach: each node is made a box of once, here.
            let Node { thing, next } = *unsafe { Box::from_raw(node) };
            things.push(thing);
            node = next;
        }
        things.reverse();
        things
    }
}

impl<T> Default for Handover<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for Handover<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

impl<T> fmt::Debug for Handover<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Handover")
    }
}

#[cfg(all(test, not(any(feature = "loom", feature = "shuttle"))))]
mod tests {
    use super::*;

    #[test]
    fn things_come_out_in_order_and_once() {
        let queue = Handover::new();
        std::thread::scope(|scope| {
            scope.spawn(|| (0..10_000).for_each(|thing| queue.push(thing)));
            let mut taken = Vec::new();
            while taken.len() < 10_000 {
                taken.extend(queue.take());
            }
            assert!(taken.into_iter().eq(0..10_000));
        });
    }

    #[test]
    fn what_nobody_took_is_dropped() {
        let thing = std::sync::Arc::new(());
        let queue = Handover::new();
        queue.push(std::sync::Arc::clone(&thing));
        queue.push(std::sync::Arc::clone(&thing));
        drop(queue);
        assert_eq!(std::sync::Arc::strong_count(&thing), 1);
    }
}
