#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>

#include "agent/core/time.h"

namespace tocsin::host {

/// Runs `work` on a thread of its own and waits until it ends, or `deadline` comes. True when it ended.
///
/// After false the thread is left to itself, for a system call that hangs cannot be called back: `work` may only touch
/// what it shares ownership of. False also when no thread can be had. `work` must not throw.
boost::asio::awaitable<bool> run_apart(std::function<void()> work, Deadline deadline);

}  // namespace tocsin::host
