//! Two languages from the first line: every text that a person reads comes from a catalogue.

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};

/// The languages that the catalogues speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Lang {
    En,
    Ko,
}

impl Lang {
    pub const ALL: [Lang; 2] = [Lang::En, Lang::Ko];

    pub fn tag(self) -> &'static str {
        match self {
            Lang::En => "en",
            Lang::Ko => "ko",
        }
    }

    /// What its readers call it.
    pub fn own_name(self) -> &'static str {
        match self {
            Lang::En => "English",
            Lang::Ko => "한국어",
        }
    }

    fn source(self) -> &'static str {
        match self {
            Lang::En => concat!(
                include_str!("../locales/en.ftl"),
                "\n",
                include_str!("../locales/connection.en.ftl"),
                "\n",
                include_str!("../locales/pages.en.ftl"),
                "\n",
                include_str!("../locales/run.en.ftl"),
            ),
            Lang::Ko => concat!(
                include_str!("../locales/ko.ftl"),
                "\n",
                include_str!("../locales/connection.ko.ftl"),
                "\n",
                include_str!("../locales/pages.ko.ftl"),
                "\n",
                include_str!("../locales/run.ko.ftl"),
            ),
        }
    }

    /// The first language that a locale (`ko_KR.UTF-8`) or an Accept-Language header names and we speak.
    pub fn of_locale(locale: &str) -> Option<Lang> {
        locale.split([',', ';', ':']).find_map(|part| {
            let part = part.trim().to_ascii_lowercase();
            Lang::ALL.into_iter().find(|lang| {
                part == lang.tag()
                    || part.starts_with(&format!("{}_", lang.tag()))
                    || part.starts_with(&format!("{}-", lang.tag()))
            })
        })
    }

    /// The environment's language, English where it names none of ours.
    pub fn of_environment() -> Lang {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        ["INYEON_LANG", "LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .find_map(set)
            .and_then(|locale| Lang::of_locale(&locale))
            .unwrap_or(Lang::En)
    }
}

/// The texts of one language.
pub struct Messages {
    pub lang: Lang,
    bundle: FluentBundle<FluentResource>,
}

impl Messages {
    pub fn new(lang: Lang) -> Self {
        let resource =
            FluentResource::try_new(lang.source().to_owned()).expect("the catalogues are checked by a test");
        let tag = lang.tag().parse().expect("a plain language tag");
        let mut bundle = FluentBundle::new_concurrent(vec![tag]);
        // Terminals and logs show the marks that isolate text directions as noise.
        bundle.set_use_isolating(false);
        bundle.add_resource(resource).expect("no key stands twice");
        Messages { lang, bundle }
    }

    pub fn get(&self, key: &str) -> String {
        self.with(key, &[])
    }

    /// The text with its values. An unknown key shows itself.
    pub fn with(&self, key: &str, values: &[(&str, String)]) -> String {
        let mut args = FluentArgs::new();
        for (name, value) in values {
            args.set(*name, FluentValue::from(value.as_str()));
        }
        match self.bundle.get_message(key).and_then(|message| message.value()) {
            Some(pattern) => self.bundle.format_pattern(pattern, Some(&args), &mut Vec::new()).into_owned(),
            None => key.to_owned(),
        }
    }

    pub fn has(&self, key: &str) -> bool {
        self.bundle.has_message(key)
    }
}

/// The keys of a catalogue with the names of the values that each uses.
pub fn keys_of(lang: Lang) -> std::collections::BTreeMap<String, std::collections::BTreeSet<String>> {
    let mut keys = std::collections::BTreeMap::new();
    let mut current = String::new();
    for line in lang.source().lines().filter(|line| !line.starts_with('#')) {
        if let Some((key, _)) = line.split_once('=').filter(|(key, _)| !key.starts_with(char::is_whitespace))
        {
            current = key.trim().to_owned();
            keys.insert(current.clone(), std::collections::BTreeSet::new());
        }
        let names = line.split('{').skip(1).filter_map(|rest| rest.split('}').next());
        let names = names.map(|name| name.trim().trim_start_matches('$').to_owned());
        if let Some(values) = keys.get_mut(&current) {
            values.extend(names);
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_say_the_same_things() {
        let (en, ko) = (keys_of(Lang::En), keys_of(Lang::Ko));
        let missing: Vec<_> = en.keys().filter(|key| !ko.contains_key(*key)).collect();
        let extra: Vec<_> = ko.keys().filter(|key| !en.contains_key(*key)).collect();
        assert!(missing.is_empty() && extra.is_empty(), "only English: {missing:?}; only Korean: {extra:?}");
        for (key, values) in &en {
            assert_eq!(values, &ko[key], "the values of {key}");
        }
        assert!(en.len() > 100);
    }

    #[test]
    fn the_catalogues_parse_and_fill_in() {
        for lang in Lang::ALL {
            let messages = Messages::new(lang);
            for key in keys_of(lang).keys() {
                assert!(messages.has(key), "{lang:?} {key}");
            }
            let text = messages.with("error-no-such-profile", &[("id", "c-1".to_owned())]);
            assert!(text.contains("c-1"), "{text}");
        }
    }

    #[test]
    fn locales_are_understood() {
        assert_eq!(Lang::of_locale("ko_KR.UTF-8"), Some(Lang::Ko));
        assert_eq!(Lang::of_locale("fr-FR, ko;q=0.8, en;q=0.5"), Some(Lang::Ko));
        assert_eq!(Lang::of_locale("C"), None);
        assert_eq!(Lang::of_locale("kok"), None);
    }
}
