pub(super) fn render(trial: &super::Trial, _: &crate::i18n::Messages) -> String {
    let mut out = String::new();
    for (name, e) in &trial.estimates {
        let i = e.interval.unwrap_or((f64::NAN, f64::NAN));
        out += &format!("{name:40} {:10.3} ({:.3} to {:.3}) {}\n", e.mean, i.0, i.1, e.seeds);
    }
    out
}
