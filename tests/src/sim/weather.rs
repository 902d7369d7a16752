//! How bad the channel is: settings in the channel's own grammar, from dice.

use lamparina_impair::Settings;

use super::dice::Dice;

/// Settings from a text of this module.
fn settings(spec: &str) -> Settings {
    spec.parse()
        .expect("what this module writes is in the channel's grammar")
}

/// A channel that only takes its time: faults have stopped.
pub fn calm(dice: &mut Dice) -> Settings {
    let (delay, seed) = (dice.within(0..40), dice.roll());
    settings(&format!("delay={delay}ms,seed={seed}"))
}

/// A channel that spoils a frame now and then.
pub fn mild(dice: &mut Dice) -> Settings {
    let (delay, seed) = (dice.within(0..10), dice.roll());
    let (loss, corrupt) = (dice.within(1..10), dice.within(1..10));
    settings(&format!(
        "delay={delay}ms,loss=0.{loss}%,corrupt=0.{corrupt}%,dup=0.5%,seed={seed}"
    ))
}

/// Any channel, up to 40 % of loss, of both directions or of one.
pub fn any(dice: &mut Dice) -> Settings {
    if dice.percent(15) {
        return calm(dice);
    }
    let mut spec = format!("delay={}ms,seed={}", dice.within(0..120), dice.roll());
    let mut add = |chance: u64, dice: &mut Dice, what: &dyn Fn(&mut Dice) -> String| {
        if dice.percent(chance) {
            spec.push(',');
            spec.push_str(&what(dice));
        }
    };
    add(60, dice, &|dice| {
        let loss = format!("loss={}%", dice.within(1..41));
        match dice.percent(30) {
            true => format!("{loss},burst={}", dice.within(2..12)),
            false => loss,
        }
    });
    add(30, dice, &|dice| format!("corrupt={}%", dice.within(1..16)));
    add(30, dice, &|dice| format!("dup={}%", dice.within(1..31)));
    add(40, dice, &|dice| {
        format!("jitter={}ms", dice.within(1..200))
    });
    add(30, dice, &|dice| format!("reorder={}%", dice.within(1..41)));
    add(10, dice, &|dice| {
        format!("rate={}kbit/s", dice.within(256..4_000))
    });
    add(10, dice, &|dice| {
        let from = dice.within(0..3_000);
        format!("partition={from}ms..{}ms", from + dice.within(1..9_000))
    });
    add(20, dice, &|dice| {
        format!("way={}", if dice.percent(50) { "up" } else { "down" })
    });
    settings(&spec)
}

/// The same weather as a stream has it, where nothing is lost, doubled or out of its place: it takes its
/// time, now and then stops for a while, and rarely damages a record, which ends the connection.
pub fn of_stream(weather: &Settings) -> Settings {
    let spec = weather.to_string();
    let is = |part: &&str, name| part.split('=').next() == Some(name);
    let kept = ["delay", "rate", "partition", "down", "seed"];
    let parts = spec.split(',');
    let mut kept: Vec<_> = parts
        .filter(|part| kept.iter().any(|name| is(part, name)))
        .collect();
    if spec.split(',').any(|part| is(&part, "corrupt")) {
        kept.push("corrupt=0.1%");
    }
    match kept.is_empty() {
        true => settings("off"),
        false => settings(&kept.join(",")),
    }
}

/// The same weather for datagrams, of which none comes in the instant in which it left: a round trip of
/// nothing says nothing of a path's speed, and no path has one.
pub fn of_datagrams(weather: &Settings) -> Settings {
    let spec = weather.to_string();
    let is_delay = |part: &&str| part.starts_with("delay=") && !part.starts_with("delay=0");
    if spec.split(',').any(|part| is_delay(&part)) {
        return weather.clone();
    }
    let others = spec.split(',').filter(|part| {
        let part = part.trim();
        !part.starts_with("delay=") && part != "off" && !part.is_empty()
    });
    let mut parts: Vec<_> = others.collect();
    parts.push("delay=1ms");
    settings(&parts.join(","))
}

/// Nothing passes, in both directions or in one.
pub fn cut_off(dice: &mut Dice) -> Settings {
    settings(match dice.within(0..3) {
        0 => "down",
        1 => "down,way=up",
        _ => "down,way=down",
    })
}
