//! A question to the person in front.

use std::io::{self, BufRead, IsTerminal, Write};

use lamparina_protocol::Nick;

use crate::exit::{Exit, Stop};
use crate::output::talk;

/// The name of the person in front, where somebody is there to answer.
///
/// # Errors
///
/// [`Exit::Usage`], with what to write instead, where nobody is.
pub fn name() -> Result<Nick, Stop> {
    let missing = || {
        let text = "a name is missing; give one with --name NICK or LAMPARINA_NAME";
        Stop::new(Exit::Usage, text)
    };
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(missing());
    }
    loop {
        eprint!("Your name: ");
        let _ = io::stderr().flush();
        let mut line = String::new();
        // A terminal's line is bounded by the system.
        match io::stdin().lock().read_line(&mut line) {
            Ok(0) | Err(_) => return Err(missing()),
            Ok(_) => {}
        }
        match Nick::try_from(line.trim()) {
            Ok(nick) => return Ok(nick),
            Err(error) => talk(&error.to_string()),
        }
    }
}
