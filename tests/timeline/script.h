#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/labels.h"
#include "agent/core/result.h"
#include "agent/core/time.h"

/// A timeline script, read.
namespace tocsin::test {

struct ScriptLine {
  enum class Kind {
    kConfig,
    kPack,
    kSamples,
    kRestart,
    kReload,
    kPost,
    kSilence,
    kState,
    kSays,
    kValue,
    kExpect,
    kNothingElse
  };
  Kind kind{};
  std::size_t number = 0;
  std::string text;  // as written, for messages
  Duration at{0};
  Duration until{0};
  Duration every{0};  // of samples; how long away of restarts
  Labels series;      // a series, or an alert as __name__ and labels
  std::string word;   // receiver, pack, annotation or expression
  std::string what;   // state, firing or resolved, expected text, configuration
  std::optional<double> value;
  double step = 0;
};

/// All lines, in order. Error: the first line that cannot be read.
Result<std::vector<ScriptLine>> parse_script(std::string_view script, TimePoint start);

}  // namespace tocsin::test
