#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tocsin {

/// The text of a file that was built into the program, by its path in the source tree: "rules/packs/host.toml". Empty
/// when there is none. Which files are built in is said in CMakeLists.txt (tocsin_embed).
std::string_view embedded_file(std::string_view path);

/// The names between `prefix` and `suffix` of the files that are built in, sorted: ("rules/packs/", ".toml") gives
/// "host", …
std::vector<std::string> embedded_names(std::string_view prefix, std::string_view suffix);

struct EmbeddedFile {
  std::string_view path;
  std::string_view text;
};

}  // namespace tocsin
