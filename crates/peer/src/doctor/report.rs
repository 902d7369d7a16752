//! What was looked at, what came of it, and what to do.

use std::fmt;

/// Findings, at most; more say nothing new.
pub const FINDINGS_MAX: usize = 1_024;

/// What came of one look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It works.
    Good,
    /// It is not used, or it could be otherwise.
    Notice,
    /// It does not work.
    Bad,
}

impl Verdict {
    /// Its word in reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Notice => "note",
            Self::Bad => "FAILS",
        }
    }
}

/// One look.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// At what.
    pub about: String,
    /// What came of it.
    pub verdict: Verdict,
    /// In words.
    pub text: String,
    /// What to do.
    pub advice: Option<String>,
}

impl Finding {
    /// Something that works.
    pub fn good(about: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(about, Verdict::Good, text, None)
    }

    /// Something to know.
    pub fn notice(about: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(about, Verdict::Notice, text, None)
    }

    /// Something that does not work.
    pub fn bad(
        about: impl Into<String>,
        text: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self::new(about, Verdict::Bad, text, Some(advice.into()))
    }

    fn new(
        about: impl Into<String>,
        verdict: Verdict,
        text: impl Into<String>,
        advice: Option<String>,
    ) -> Self {
        Self {
            about: about.into(),
            verdict,
            text: text.into(),
            advice,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.verdict.word();
        write!(f, "{word:5} {}: {}", self.about, self.text)?;
        match &self.advice {
            Some(advice) => write!(f, "\n      -> {advice}"),
            None => Ok(()),
        }
    }
}

/// All that was looked at.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// Each look, at most [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
}

impl Report {
    /// Nothing fails.
    pub fn is_good(&self) -> bool {
        let fails = |finding: &Finding| finding.verdict == Verdict::Bad;
        !self.findings.iter().any(fails)
    }

    pub(super) fn add(&mut self, findings: impl IntoIterator<Item = Finding>) {
        let room = FINDINGS_MAX.saturating_sub(self.findings.len());
        self.findings.extend(findings.into_iter().take(room));
    }
}

impl fmt::Display for Report {
    /// A line for each finding, and one for what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.findings
            .iter()
            .try_for_each(|finding| writeln!(f, "{finding}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_lines_with_what_to_do() {
        let mut report = Report::default();
        report.add([
            Finding::good("eth0", "heard"),
            Finding::notice("tun0", "not used"),
        ]);
        assert!(report.is_good());
        report.add([Finding::bad("port 5001", "taken", "choose another")]);
        assert!(!report.is_good());
        let expected = "ok    eth0: heard\nnote  tun0: not used\n\
            FAILS port 5001: taken\n      -> choose another\n";
        assert_eq!(report.to_string(), expected);
    }
}
