#include "agent/core/embedded.h"

#include <algorithm>
#include <span>

namespace tocsin {

// Generated while configuring; sorted by path.
std::span<const EmbeddedFile> embedded_files();

std::string_view embedded_file(std::string_view path) {
  for (const EmbeddedFile& file : embedded_files()) {
    if (file.path == path) return file.text;
  }
  return {};
}

std::vector<std::string> embedded_names(std::string_view prefix, std::string_view suffix) {
  std::vector<std::string> names;
  for (const EmbeddedFile& file : embedded_files()) {
    if (!file.path.starts_with(prefix) || !file.path.ends_with(suffix)) continue;
    names.emplace_back(file.path.substr(prefix.size(), file.path.size() - prefix.size() - suffix.size()));
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace tocsin
