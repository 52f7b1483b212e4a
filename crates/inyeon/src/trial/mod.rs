mod counter;
mod ledger;
mod rules;

#[cfg(test)]
mod tests {
    use super::counter::*;
    use std::collections::BTreeMap;
    use world::depot::*;
    #[test]
    fn look() {
        let start = model::Time::parse("2026-03-01T15:00:00Z").unwrap();
        for seed in 1..=3 {
        let t = std::time::Instant::now();
        let config = DepotConfig { seed, start, days: 28, tail_days: 14, planted: Planted::default(), campaign: None };
        let out = Counter::new(config, Hands::Watch).unwrap().run().unwrap();
        println!("seed {seed}: {:?} promises {} away {} looked {} not {} refused {}", t.elapsed(), out.promises.len(), out.turned_away, out.looked_at, out.not_allocatable.len(), out.refused);
        for n in out.not_allocatable.iter().take(5) { println!("   {n}"); }
        let mut by: BTreeMap<Cause,[u32;6]> = BTreeMap::new();
        let mut why: BTreeMap<&str,[u32;2]> = BTreeMap::new();
        let mut disagree = 0;
        for f in out.promises.values() {
            let truth = f.truth.unwrap();
            let kept = truth.delivered_at.is_some_and(|d| d <= f.due);
            if Some(kept) != f.kept { disagree += 1; }
            let e = by.entry(truth.cause).or_default();
            e[0]+=1;
            let broken = f.kept == Some(false);
            let early = f.flagged.is_some_and(|(at,_)| at.plus_micros(3_600_000_000) <= f.first_due);
            e[1]+=u32::from(broken); e[2]+=u32::from(f.flagged.is_some()); e[3]+=u32::from(broken&&early); e[4]+=u32::from(broken&&f.flagged.is_some());
            if truth.delivered_at.is_none() { e[5]+=1; }
            if let Some((_,w)) = f.flagged { let x = why.entry(w).or_default(); x[0]+=1; x[1]+=u32::from(broken); }
        }
        println!("disagree {disagree}");
        for (c,e) in by { println!("  {:?}: n {} broken {} flagged {} hit-early {} hit {} never {}", c,e[0],e[1],e[2],e[3],e[4],e[5]); }
        println!("  {why:?}");
        }
    }
}
