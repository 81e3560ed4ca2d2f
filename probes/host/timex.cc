// adjtimex(2) without any mode bit only reads. It answers TIME_ERROR while nothing disciplines the clock.

#include <sys/timex.h>

#include <cerrno>
#include <cstring>

#include "probes/host/collector.h"

namespace tocsin::host {
namespace {

constexpr double kMicroseconds = 1e6;
constexpr double kNanoseconds = 1e9;
constexpr double kScaledPpm = 1e6 * 65536;  // parts per million with a 16-bit fraction

constexpr Family kSync{"node_timex_sync_status", "gauge",
                       "1 when something disciplines the clock, 0 when nothing does."};
constexpr Family kOffset{"node_timex_offset_seconds", "gauge", "How far the clock is from its reference."};
constexpr Family kFrequency{"node_timex_frequency_adjustment_ratio", "gauge",
                            "How much faster the clock is made to run."};
constexpr Family kMaxError{"node_timex_maxerror_seconds", "gauge", "The most the clock can be wrong."};
constexpr Family kEstimatedError{"node_timex_estimated_error_seconds", "gauge",
                                 "How much the clock is probably wrong."};
constexpr Family kStatus{"node_timex_status", "gauge", "The status bits of adjtimex(2)."};
constexpr Family kConstant{"node_timex_loop_time_constant", "gauge", "Time constant of the phase-locked loop."};
constexpr Family kTick{"node_timex_tick_seconds", "gauge", "Seconds between two ticks of the clock."};
constexpr Family kPpsFrequency{"node_timex_pps_frequency_hertz", "gauge", "Frequency of the pulse-per-second signal."};
constexpr Family kPpsJitter{"node_timex_pps_jitter_seconds", "gauge", "Jitter of the pulse-per-second signal."};
constexpr Family kPpsShift{"node_timex_pps_shift_seconds", "gauge", "Length of the pulse-per-second interval."};
constexpr Family kPpsStability{"node_timex_pps_stability_hertz", "gauge", "Wander of the pulse-per-second frequency."};
constexpr Family kPpsJitters{"node_timex_pps_jitter_total", "counter", "Pulses that came with too much jitter."};
constexpr Family kPpsCalibrations{"node_timex_pps_calibration_total", "counter", "Calibration intervals of the pulse."};
constexpr Family kPpsErrors{"node_timex_pps_error_total", "counter", "Calibration intervals that failed."};
constexpr Family kPpsUnstable{"node_timex_pps_stability_exceeded_total", "counter",
                              "Pulses whose frequency wandered too far."};
constexpr Family kTai{"node_timex_tai_offset_seconds", "gauge", "Seconds that atomic time is ahead of UTC."};

Result<void> collect_timex(Samples& out) {
  timex t{};
  const int state = ::adjtimex(&t);
  if (state < 0) {
    if (errno == EPERM || errno == EACCES) return no_data();
    return fail("adjtimex: {}", std::strerror(errno));
  }
  const double unit = (t.status & STA_NANO) != 0 ? kNanoseconds : kMicroseconds;
  const auto number = [](auto value) { return static_cast<double>(value); };
  out.add(kSync, state == TIME_ERROR ? 0 : 1);
  out.add(kOffset, number(t.offset) / unit);
  out.add(kFrequency, 1 + number(t.freq) / kScaledPpm);
  out.add(kMaxError, number(t.maxerror) / kMicroseconds);
  out.add(kEstimatedError, number(t.esterror) / kMicroseconds);
  out.add(kStatus, number(t.status));
  out.add(kConstant, number(t.constant));
  out.add(kTick, number(t.tick) / kMicroseconds);
  out.add(kPpsFrequency, number(t.ppsfreq) / kScaledPpm);
  out.add(kPpsJitter, number(t.jitter) / unit);
  out.add(kPpsShift, number(t.shift));
  out.add(kPpsStability, number(t.stabil) / kScaledPpm);
  out.add(kPpsJitters, number(t.jitcnt));
  out.add(kPpsCalibrations, number(t.calcnt));
  out.add(kPpsErrors, number(t.errcnt));
  out.add(kPpsUnstable, number(t.stbcnt));
  out.add(kTai, number(t.tai));
  return {};
}

}  // namespace

const Collector kTimex{"timex", true, [](const Config&, Clock&) -> Collect { return collect_timex; }};

}  // namespace tocsin::host
