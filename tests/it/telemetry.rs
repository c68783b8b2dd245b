//! What operators see: log lines and metrics of what ran, and nothing of what was replayed. What
//! OpenTelemetry sees is in tests/traces.

mod lines;
mod metrics;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// A buffer that is written to like stdout.
#[derive(Debug, Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    /// Its lines, each of which is one JSON object.
    fn lines(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }
}
