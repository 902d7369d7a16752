//! The commands that the README gives, read from its `sh` blocks.

use super::programs;

/// The commands of every `sh` block, in order: comments dropped, continued lines joined.
pub fn commands(markdown: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut inside = false;
    let mut begun = String::new();
    for line in markdown.lines() {
        match line.trim() {
            "```sh" => inside = true,
            "```" => inside = false,
            _ if !inside => {}
            line => {
                begun.push_str(without_comment(line));
                if begun.ends_with('\\') {
                    begun.pop();
                    continue;
                }
                let command = std::mem::take(&mut begun);
                let command = command.trim();
                if !command.is_empty() {
                    commands.push(command.to_owned());
                }
            }
        }
    }
    commands
}

/// The README at the workspace's root.
pub fn text() -> String {
    let file = programs::workspace().join("README.md");
    std::fs::read_to_string(file).expect("there is a README")
}

/// Whether a program of this workspace has that name.
pub fn is_ours(program: &str) -> bool {
    let crates = std::fs::read_dir(programs::workspace().join("crates"));
    let crates = crates
        .expect("the crates can be read")
        .filter_map(Result::ok);
    let file = format!("src/bin/{program}.rs");
    let folder = format!("src/bin/{program}/main.rs");
    crates
        .into_iter()
        .any(|krate| krate.path().join(&file).is_file() || krate.path().join(&folder).is_file())
}

/// A `#` begins a comment only at the line's beginning or after a blank, and outside quotes.
fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (None, '#') if before == ' ' => return line[..at].trim_end(),
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
        before = c;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_commands_of_sh_blocks() {
        let text = "x\n```sh\n# why\ncargo run \\\n  -- --a '#b' # c\n\nls\n```\n```text\nno\n```";
        assert_eq!(commands(text), ["cargo run -- --a '#b'", "ls"]);
    }
}
