#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tocsin::test {

/// What became of a timeline script.
struct TimelineOutcome {
  std::vector<std::string> failures;  // each with the line of the script
  std::string told;                   // every notification, one a line, as an `expect` would say it
};

/// Runs a text script in virtual time over the store, the rule groups and the alert manager. Lines, `#` begins a
/// comment:
///
/// - `config`: TOML behind it, indented: [[group]], [route], [[receiver]] …
/// - `pack NAME`: a rule pack that is built in
/// - `at T SERIES VALUE`: a sample; VALUE is a number, `stale`, or `@T` (the instant T in seconds)
/// - `at T..T every D SERIES VALUE`: samples; VALUE may be A+B: A, then B more each time
/// - `restart T [away D]`: kill -9 at T, started again D later; samples in memory are lost
/// - `reload T`: another configuration, indented behind it
/// - `post T ALERT [resolved]`: an alert from outside
/// - `silence T..T MATCHERS`: a silence from the first instant to the second
/// - `state T pending|firing|none ALERT`: where an alert stands once the rules of T are evaluated
/// - `says T ALERT NAME TEXT`: its annotation
/// - `value T EXPR => NUMBER|nothing`: what PromQL gives
/// - `expect T RECEIVER firing|resolved ALERT`: a notification
/// - `expect nothing else`: there was no other notification
///
/// T and D are durations from the start (`2m30s`), whole seconds. ALERT is `Name{label="value"}` with some or all of
/// its labels. At one instant samples come first, then reloads, then what comes from outside, then rules (every
/// interval, from 0), then notifications.
TimelineOutcome run_timeline(std::string_view script);

}  // namespace tocsin::test
