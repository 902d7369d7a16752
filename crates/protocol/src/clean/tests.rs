//! Tables of what is shown instead and of what stays whole, then properties over any text.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(given: &str, expected: &str) {
    assert_eq!(text(given), expected, "for {given:?}");
}

#[track_caller]
fn whole(given: &str) {
    check(given, given);
}

#[test]
fn what_a_terminal_would_obey_is_shown_instead() {
    check("\u{1b}[31mred\u{1b}[0m", "␛[31mred␛[0m");
    check("\u{1b}]0;title\u{7}", "␛]0;title␇");
    check("\u{1b}]8;;http://x\u{1b}\\y", "␛]8;;http://x␛\\y");
    check("\u{1b}P+q\u{1b}_G\u{1b}^", "␛P+q␛_G␛^");
    check("\u{9b}31m", "<009B>31m");
    check("\u{90}q\u{9d}0;t\u{9c}", "<0090>q<009D>0;t<009C>");
    check("a\rb", "a␍b");
    check("a\u{8}b\u{7f}", "a␈b␡");
    check("a\tb", "a b");
    check("a\0b", "a␀b");
    check("a\u{b}\u{c}\u{e}\u{f}b", "a␋␌␎␏b");
    check("a\u{85}b", "a<0085>b");
}

#[test]
fn lines_stay_inside_their_message() {
    check("a\nb", "a\n    b");
    check("a\r\nb\r\n", "a\n    b\n    ");
    check("a\n[7] bob: no", "a\n    [7] bob: no");
    check("a\u{2028}b\u{2029}c", "a<2028>b<2029>c");
    assert_eq!(line("a\nb"), "a␊b");
}

#[test]
fn direction_and_invisible_characters_are_shown_instead() {
    check("a\u{202e}b\u{202c}", "a<202E>b<202C>");
    check("a\u{2066}b\u{2069}", "a<2066>b<2069>");
    check("a\u{200f}b\u{61c}", "a<200F>b<061C>");
    check("a\u{200b}b\u{feff}c\u{2060}d", "a<200B>b<FEFF>c<2060>d");
    check("soft\u{ad}hyphen", "soft<00AD>hyphen");
    check("a\u{3164}b\u{115f}c\u{ffa0}", "a<3164>b<115F>c<FFA0>");
    check("a\u{34f}b\u{17b4}", "a<034F>b<17B4>");
    check("\u{fff9}a\u{fffa}b\u{fffb}", "<FFF9>a<FFFA>b<FFFB>");
    check(
        "a\u{e000}\u{f8ff}\u{f0000}\u{10fffd}",
        "a<E000><F8FF><F0000><10FFFD>",
    );
    check("a\u{fdd0}\u{ffff}\u{1fffe}", "a<FDD0><FFFF><1FFFE>");
    check("a\u{1d173}b", "a<1D173>b");
    // What will be a sign is nothing to join with.
    check("🏰\u{200d}\u{e007f}", "🏰<200D><E007F>");
}

#[test]
fn joiners_and_selectors_are_kept_only_where_they_say_something() {
    check("a\u{200d}b", "a<200D>b");
    check("a\u{200c}b", "a<200C>b");
    check("\u{200d}", "<200D>");
    check("end\u{200d}", "end<200D>");
    check("日\u{200d}本", "日<200D>本");
    check("م\u{200c}\u{200c}خ", "م<200C><200C>خ");
    check("م\u{200c} خ", "م<200C> خ");
    check("\u{1f600}\u{200c}\u{1f600}", "\u{1f600}<200C>\u{1f600}");
    check("a\u{e0041}\u{e0042}", "a<E0041><E0042>");
    // Words hidden in tags behind a flag, or in a row of selectors behind a face.
    check(
        "\u{1f3f4}\u{e0068}\u{e0069}\u{e007f}",
        "\u{1f3f4}<E0068><E0069><E007F>",
    );
    check("\u{1f600}\u{e0100}\u{fe01}", "\u{1f600}<E0100><FE01>");
    check(
        "\u{2764}\u{fe0f}\u{fe0f}\u{fe0e}",
        "\u{2764}\u{fe0f}<FE0F><FE0E>",
    );
    check("\u{fe0f}", "<FE0F>");
    check("a\u{fe0f}", "a<FE0F>");
    check("a\u{180b}", "a<180B>");
    check("\u{6f22}\u{e0101}\u{e0102}", "\u{6f22}\u{e0101}<E0102>");
}

/// Words as people write them, by script.
const REAL: &[&str] = &[
    "👩‍👩‍👧‍👦 family",
    "👩🏽‍🚀 ❤️‍🔥 🏳️‍🌈 🏴‍☠️ 👨‍❤️‍💋‍👨 🐻‍❄️ 👁️‍🗨️ 🧑🏿‍🤝‍🧑🏻 ☺︎ ©️ 〰️",
    "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f} 🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
    "1️⃣ #️⃣ 🇧🇷 🇵🇹",
    "می\u{200c}خواهم نمی\u{200c}دانم کتاب\u{200c}ها",
    "السلام عليكم ورحمة الله، كَتَبَ مُحَمَّدٌ ﷽ ﷺ",
    "اُردُو سندھی پښتو کوردی ئۇيغۇرچە",
    "שָׁלוֹם עֲלֵיכֶם בְּרֵאשִׁ֖ית בָּרָ֣א אֱלֹהִ֑ים",
    "ܫܠܡܐ ܥܠܝܟܘܢ",
    "नमस्ते दुनिया क्षत्रिय श्री र्\u{200d}य क्\u{200d}ष क्\u{200c}ष",
    "বাংলা র\u{200d}্যাব ক্ষমা",
    "ਪੰਜਾਬੀ ગુજરાતી ଓଡ଼ିଆ",
    "தமிழ் ஸ்ரீ தெலுగు తెలుగు ಕನ್ನಡ ರ\u{200d}್ಯ",
    "മലയാളം അവന്\u{200d} പറഞ്ഞു",
    "ශ්\u{200d}රී ලංකා සිංහල",
    "ภาษาไทย น้ำ ที่ ສະບາຍດີ ລາວ",
    "မြန်မာ ကျွန်တော် ស្រុក ខ្មែរ ភាសា",
    "བོད་ཡིག བསྒྲུབས རྫོང་ཁ",
    "ᠮᠣᠩᠭᠣᠯ ᠭᠠᠵᠠᠷ\u{180e}ᠠ ᠠ\u{180b}",
    "日本語 がぎぐ か\u{3099} 葛\u{e0100}城 漢字かな交じり文 ｶﾞ",
    "简体中文 繁體中文 㐀 𠮷野家",
    "한국어 조선말 \u{1112}\u{1161}\u{11ab}",
    "Tiếng Việt phở cafe\u{301} Zoë n\u{303}andu e\u{323}\u{302}",
    "Ελληνικά ἄνθρωπος ᾧ",
    "Русский Українська й е\u{301}",
    "ქართული Հայերեն አማርኛ ᏣᎳᎩ ⵜⴰⵎⴰⵣⵉⵖⵜ ߒߞߏ 𞤀𞤣𞤤𞤢𞤥",
    "Yorùbá ẹ\u{300} ọ\u{301} Ɛʋɛ",
    "x\u{20d7} ∀x∈ℝ: x²≥0 ≨\u{fe00} √2 → ∞",
    "┌──┐ │ok│ └──┘ ▁▂▃ ♠♥ ♞",
    "“quotes” — dash… 1 000 €",
];

#[test]
fn real_texts_stay_whole() {
    for text in REAL {
        whole(text);
    }
}

#[test]
fn stacked_marks_are_clamped() {
    for mark in [
        "\u{301}", "\u{489}", "\u{e49}", "\u{5b0}", "\u{94d}", "\u{1abe}", "\u{1dfa}",
    ] {
        let stacked = format!("Z{}x", mark.repeat(50));
        let expected = format!("Z{}x", mark.repeat(MARKS_MAX));
        check(&stacked, &expected);
    }
    // Consonants between them are no stack, however many are joined.
    whole(&"क\u{94d}".repeat(40));
    // What cannot be seen does not begin another one.
    let hidden = format!("क{}", "\u{94d}\u{200d}".repeat(50));
    assert_eq!(line(&hidden).matches('\u{94d}').count(), MARKS_MAX);
}

#[test]
fn marks_stand_on_what_is_theirs() {
    check("\u{301}a", "◌\u{301}a");
    check("\u{200b}\u{301}", "<200B>◌\u{301}");
    check("a\n\u{301}\u{302}", "a\n    ◌\u{301}\u{302}");
    check(" \u{301}", " \u{301}");
}

#[test]
fn wide_characters_come_alone() {
    whole("﷽ a ﷽");
    check("﷽﷽﷽", "﷽<FDFD>﷽");
    whole("\u{12000}\u{12000}");
    check("\u{12031}\u{12031}", "\u{12031}<12031>");
}

/// Characters from where the trouble is, and from everywhere.
fn any_text() -> impl Strategy<Value = String> {
    let from = |range: std::ops::RangeInclusive<u32>| {
        range
            .prop_filter_map("no character", char::from_u32)
            .boxed()
    };
    let c = prop_oneof![
        from(0..=0xff),
        from(0x2000..=0x206f),
        from(0xe0000..=0xe01ff),
        from(0x180b..=0x1830),
        from(0x300..=0x36f),
        from(0x620..=0x6ff),
        from(0x900..=0x94f),
        from(0xfe00..=0xfe0f),
        from(0x1f3f0..=0x1f4ff),
        from(0xfdf0..=0xffff),
        from(0..=0x10_ffff),
        prop::sample::select(vec![
            ZWJ,
            ZWNJ,
            '\u{94d}',
            '\u{1f3f4}',
            '\u{e0067}',
            '\u{e007f}',
            '\u{2764}',
            '\u{fe0f}',
            '漢',
            '\n',
        ]),
    ];
    prop::collection::vec(c, 0..24).prop_map(|chars| chars.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn nothing_harmful_is_left(given in any_text()) {
        let cleaned = line(&given);
        // Tags are kept behind a flag alone.
        let tag = |c: char| ('\u{e0020}'..='\u{e007f}').contains(&c);
        prop_assert_eq!(cleaned.chars().find(|&c| is_harmful(c) && !tag(c)), None);
        let shown = text(&given);
        prop_assert_eq!(shown.chars().find(|&c| c.is_control() && c != '\n'), None);
        let lines = given.split('\n').count();
        prop_assert_eq!(shown.split('\n').count(), lines);
        prop_assert!(shown.split('\n').skip(1).all(|line| line.starts_with(INDENT)));
    }

    #[test]
    fn what_is_clean_stays_as_it_is(given in any_text()) {
        let once = line(&given);
        prop_assert_eq!(line(&once), once);
        for part in text(&given).split('\n') {
            let part = part.strip_prefix(INDENT).unwrap_or(part);
            prop_assert_eq!(line(part), part);
        }
    }

    #[test]
    fn it_grows_by_little(given in any_text()) {
        prop_assert!(line(&given).len() <= GROWTH_MAX * given.len());
        prop_assert!(text(&given).len() <= (GROWTH_MAX + 2) * given.len());
    }

    #[test]
    fn real_texts_stay_whole_beside_each_other(
        a in prop::sample::select(REAL),
        b in prop::sample::select(REAL),
    ) {
        let both = format!("{a} {b}\t{a}").replace('\t', " ");
        prop_assert_eq!(line(&both), both);
    }
}
