#include "agent/core/config/secret.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

namespace tocsin {

Result<std::string> Secret::reveal() const {
  switch (kind_) {
    case Kind::kNone:
      return std::string();
    case Kind::kLiteral:
      return text_;
    case Kind::kEnv: {
      const char* value = std::getenv(text_.c_str());
      if (value == nullptr) return fail("the environment variable {} is not set", text_);
      return std::string(value);
    }
    case Kind::kFile:
      break;
  }
  std::ifstream in(text_, std::ios::binary);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) return fail("cannot read {}: {}", text_, std::strerror(errno));
  std::string value = text.str();
  if (value.ends_with('\n')) value.pop_back();
  if (value.ends_with('\r')) value.pop_back();
  return value;
}

}  // namespace tocsin
