//! How much the machine's own work is held up for want of processors and memory, as the kernel measures it
//! (PSI; Documentation/accounting/psi.rst).

use std::io;

/// Shares of the last ten seconds, 0 to 100, in which something was held up.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pressure {
    /// Something that could run waited for a processor.
    pub cpu: f64,
    /// Something waited for memory: to be freed, or to be read in again.
    pub memory: f64,
}

impl Pressure {
    /// As it is now; `None` on a kernel that does not measure it. Reads two short files of memory.
    pub fn now() -> io::Result<Option<Self>> {
        let mut shares = [0.0; 2];
        for (share, what) in shares.iter_mut().zip(["cpu", "memory"]) {
            let text = match fs_err::read_to_string(format!("/proc/pressure/{what}")) {
                Ok(text) => text,
                // Compiled in and switched off, it is there and cannot be read (EOPNOTSUPP).
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::Unsupported) =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            };
            let unclear = || io::Error::other(format!("the pressure on {what} is unclear: {text:?}"));
            *share = some_avg10(&text).ok_or_else(unclear)?;
        }
        let [cpu, memory] = shares;
        Ok(Some(Self { cpu, memory }))
    }
}

/// From `some avg10=0.43 avg60=1.07 avg300=5.11 total=12356665204`, the first number.
fn some_avg10(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let mut fields = line.split(' ');
    fields
        .find_map(|field| field.strip_prefix("avg10="))?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_the_last_ten_seconds_is_read() {
        let text = "some avg10=12.43 avg60=1.07 avg300=5.11 total=12356665204\n\
                    full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
        assert_eq!(some_avg10(text), Some(12.43));
        for bad in ["", "full avg10=1.00", "some avg60=1.00", "some avg10=x"] {
            assert_eq!(some_avg10(bad), None, "{bad}");
        }
    }

    #[test]
    fn this_machine_says_a_share_or_that_it_does_not_know() {
        if let Some(pressure) = Pressure::now().unwrap() {
            let share = 0.0..=100.0;
            assert!(
                share.contains(&pressure.cpu) && share.contains(&pressure.memory),
                "{pressure:?}"
            );
        }
    }
}
