#include "probes/host/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "probes/host/text.h"

namespace tocsin::host {

Result<std::string> read_file(const std::string& path, std::size_t bytes_max) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return fail("{}: {}", path, std::strerror(errno));
  std::string out;
  std::size_t size = 0;
  ssize_t got = 0;
  do {
    out.resize(std::max<std::size_t>(4096, 2 * size));
    got = ::read(fd, out.data() + size, out.size() - size);
    if (got > 0) size += static_cast<std::size_t>(got);
  } while ((got > 0 && size <= bytes_max) || (got < 0 && errno == EINTR));
  const int error = errno;
  ::close(fd);
  if (got < 0) return fail("{}: {}", path, std::strerror(error));
  if (size > bytes_max) return fail("{}: longer than {} bytes", path, bytes_max);
  out.resize(size);
  return out;
}

std::string read_word(const std::string& path) {
  const auto text = read_file(path, 4096);
  return text ? std::string(trimmed(*text)) : std::string();
}

bool exists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

Result<std::vector<std::string>> list_folder(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(path.c_str()), ::closedir);
  if (folder == nullptr) return fail("{}: {}", path, std::strerror(errno));
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(folder.get())) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

Collect from_file(std::string path, std::function<Result<void>(std::string_view, Samples&)> parse) {
  return [path = std::move(path), parse = std::move(parse)](Samples& out) -> Result<void> {
    const auto text = read_file(path);
    if (!text) return tl::make_unexpected(text.error());
    if (auto parsed = parse(*text, out); !parsed) return fail_in(path, parsed.error());
    return {};
  };
}

}  // namespace tocsin::host
