//! Runs the program on a pseudo terminal, as a person has it.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Child;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::{Call, LONGEST_RUN, StreamText};

/// The program on a terminal.
pub(crate) struct OnTerminal {
    child: Child,
    keyboard: File,
    screen: StreamText,
    call: Call,
}

impl Call {
    /// Starts the program on a terminal with this many columns.
    pub(crate) fn on_terminal(self, columns: u16) -> OnTerminal {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&keyboard).and_then(|()| unlockpt(&keyboard)).unwrap();
        let path = ptsname(&keyboard, Vec::new()).unwrap();
        let no_controlling_terminal = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).unwrap();
        let path = path.to_str().unwrap();
        let terminal =
            OpenOptions::new().read(true).write(true).custom_flags(no_controlling_terminal).open(path).unwrap();
        tcsetwinsize(&terminal, Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let keyboard = File::from(keyboard);
        let mut command = self.command();
        command.env("TERM", "xterm-256color");
        command.envs(self.environment.iter().filter(|(name, _)| name == "TERM").map(|(name, value)| (name, value)));
        command.stdin(terminal.try_clone().unwrap()).stdout(terminal.try_clone().unwrap()).stderr(terminal);
        let child = command.spawn().unwrap();
        // A line that is drawn again ends where the cursor goes back to its start.
        let screen = StreamText::of(keyboard.try_clone().unwrap(), b'\r');
        OnTerminal { child, keyboard, screen, call: self }
    }
}

impl OnTerminal {
    /// Waits until the terminal shows this, and a line after it began.
    #[track_caller]
    pub(crate) fn wait_for(&self, part: &str) {
        let seen = self.screen.wait(Duration::from_secs(20), |text| text.contains(part));
        let seen = seen.unwrap_or_else(|| "nothing in time".to_owned());
        assert!(seen.contains(part), "no {part:?}:\n{seen}");
    }

    /// Types a line.
    pub(crate) fn types(&mut self, line: &str) {
        writeln!(self.keyboard, "{line}").unwrap();
    }

    /// Sends a signal to the program.
    pub(crate) fn signal(&self, name: &str) {
        super::signal(self.child.id(), name);
    }

    /// Waits for the end. Gives the exit code, and what was written to the terminal with `\n` for each line end.
    #[track_caller]
    pub(crate) fn finish(mut self) -> (i32, String) {
        let Some(seen) = self.screen.wait(LONGEST_RUN, |_| false) else {
            drop(self.child.kill());
            panic!("{:?} hangs", self.call.arguments);
        };
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        (code, seen.replace("\r\n", "\n"))
    }
}
