//! The interpreter's end, while other threads are within windrow.
//!
//! Before Python 3.14 the interpreter ends a daemon thread by unwinding it, where it next waits for its turn. If that is in
//! Python code which Rust has called, the unwinding meets Rust's frames and the process dies by a signal. So whoever ends
//! the interpreter first waits until no other thread is within such a call, and meanwhile none begins one. What runs
//! detached needs no waiting: pyo3 puts a thread to sleep that comes back too late.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// How long the end waits for calls, and how long calls wait for the end: each might be waiting for the other.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Threads within a call.
static CALLING: AtomicUsize = AtomicUsize::new(0);
/// The interpreter is about to end.
static ENDING: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Calls within calls of this thread.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Held while Python code may run that Rust has called.
pub struct CallingPython(PhantomData<*const ()>);

impl CallingPython {
    /// Begins a call; when the interpreter is about to end, from another thread, this doesn't return.
    pub fn new(py: Python<'_>) -> Self {
        if DEPTH.replace(DEPTH.get() + 1) == 0 {
            // SeqCst, here and in `wait_for_calls`: each writes first and reads then, so that one sees the other.
            CALLING.fetch_add(1, Ordering::SeqCst);
            if ENDING.load(Ordering::SeqCst) {
                wait_for_the_end(py);
            }
        }
        Self(PhantomData)
    }
}

impl Drop for CallingPython {
    fn drop(&mut self) {
        let depth = DEPTH.get() - 1;
        DEPTH.set(depth);
        if depth == 0 {
            CALLING.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

#[cold]
fn wait_for_the_end(py: Python<'_>) {
    CALLING.fetch_sub(1, Ordering::SeqCst);
    py.detach(|| sleep(PATIENCE));
    // Still here: what else is done at exit waits for this thread.
    CALLING.fetch_add(1, Ordering::SeqCst);
    ENDING.store(false, Ordering::SeqCst);
}

/// Runs when the interpreter is about to end, in the thread that ends it.
#[pyfunction]
fn wait_for_calls(py: Python<'_>) {
    let own = usize::from(DEPTH.get() > 0);
    // What this thread calls from now on never waits.
    DEPTH.set(DEPTH.get() + 1);
    ENDING.store(true, Ordering::SeqCst);
    py.detach(|| {
        let mut looks = PATIENCE.as_millis() / LOOK_AGAIN.as_millis();
        while CALLING.load(Ordering::SeqCst) > own && looks > 0 {
            sleep(LOOK_AGAIN);
            looks -= 1;
        }
    });
}

/// A child has none of its parent's other threads.
#[pyfunction]
fn forget_threads() {
    CALLING.store(usize::from(DEPTH.get() > 0), Ordering::SeqCst);
    ENDING.store(false, Ordering::SeqCst);
}

/// Has the interpreter call back at its end, where that is needed.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    if py.version_info() >= (3, 14) {
        return Ok(());
    }
    py.import("atexit")?.call_method1("register", (wrap_pyfunction!(wait_for_calls, module)?,))?;
    let os = py.import("os")?;
    if os.hasattr("register_at_fork")? {
        let options = PyDict::new(py);
        options.set_item("after_in_child", wrap_pyfunction!(forget_threads, module)?)?;
        os.call_method("register_at_fork", (), Some(&options))?;
    }
    Ok(())
}
