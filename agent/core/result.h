#pragma once

#include <fmt/format.h>

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace tocsin {

/// An expected failure, told to a person: what happened, to what, and what to do. Never holds a secret.
struct Error {
  std::string message;

  /// The same error seen from one level up: "context: message".
  Error in(std::string_view context) const { return Error{fmt::format("{}: {}", context, message)}; }
};

/// A value, or the reason why there is none.
template <class T>
using Result = tl::expected<T, Error>;

/// `return fail("no such receiver: {}", name);`
template <class... Args>
tl::unexpected<Error> fail(fmt::format_string<Args...> format, Args&&... args) {
  return tl::make_unexpected(Error{fmt::format(format, std::forward<Args>(args)...)});
}

/// Passes an error on with context added: `if (!r) return fail_in("route", r.error());`
inline tl::unexpected<Error> fail_in(std::string_view context, const Error& error) {
  return tl::make_unexpected(error.in(context));
}

}  // namespace tocsin
