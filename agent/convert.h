#pragma once

#include <string>

#include "agent/core/config/node.h"
#include "agent/core/result.h"

namespace tocsin {

/// Configurations of the programs whose work tocsin does, said in TOML. What has no counterpart, or means something
/// else, is told in a comment above the table where it would stand, with its line. The document is what
/// load_config_file() read; the result is meant to be read by a person before it is used.
std::string convert_alertmanager(const ConfigNode& yaml);
/// Scrape jobs with static targets, rule files, external labels; alerting.alertmanagers becomes a remark.
std::string convert_prometheus(const ConfigNode& yaml);
/// Each module becomes a probe without targets.
std::string convert_blackbox(const ConfigNode& yaml);

/// Finds out by its keys which of the three a document is. Error: it is none of them.
Result<std::string> convert_document(const ConfigNode& yaml);

}  // namespace tocsin
