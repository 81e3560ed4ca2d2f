#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/core/result.h"
#include "probes/host/collector.h"

namespace tocsin::host {

/// A whole small file; files below /proc have no size to ask for. Errors: `/proc/x: No such file or directory`, or
/// longer than `bytes_max`.
Result<std::string> read_file(const std::string& path, std::size_t bytes_max = 1U << 20);
/// The same without blanks and newlines at its ends, "" when it cannot be read.
std::string read_word(const std::string& path);
bool exists(const std::string& path);
/// The names in a folder, sorted, without those that start with a dot.
Result<std::vector<std::string>> list_folder(const std::string& path);
/// The usual collector: one file and what understands it. Errors name the file.
Collect from_file(std::string path, std::function<Result<void>(std::string_view, Samples&)> parse);

}  // namespace tocsin::host
