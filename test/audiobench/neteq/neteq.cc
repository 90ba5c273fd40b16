// neteq RATE LENGTH feeds the packets of a trace to WebRTC's NetEq, by a clock of its own, and
// writes what is to be heard: LENGTH ms of 16-bit samples at RATE, that of the codec.
//
// In, a line each, by time: arrival in µs, payload type, sequence number, timestamp, payload in
// hexadecimal. On the error output, when all is done: how many samples were made up.

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "api/audio/audio_frame.h"
#include "api/audio_codecs/audio_decoder_factory_template.h"
#include "api/audio_codecs/g711/audio_decoder_g711.h"
#include "api/audio_codecs/opus/audio_decoder_opus.h"
#include "modules/audio_coding/neteq/default_neteq_factory.h"
#include "rtc_base/logging.h"
#include "system_wrappers/include/clock.h"

namespace {

struct Packet {
  int64_t at;
  webrtc::RTPHeader header;
  std::vector<uint8_t> payload;
};

bool Read(Packet& p) {
  static char line[8192], hex[8192];
  int type;
  unsigned seq, stamp;
  if (!fgets(line, sizeof line, stdin) ||
      sscanf(line, "%" SCNd64 " %d %u %u %8000s", &p.at, &type, &seq, &stamp, hex) != 5)
    return false;
  p.header = webrtc::RTPHeader();
  p.header.payloadType = type;
  p.header.sequenceNumber = seq;
  p.header.timestamp = stamp;
  p.header.ssrc = 1;
  p.payload.clear();
  unsigned b;
  for (const char* h = hex; sscanf(h, "%2x", &b) == 1; h += 2) p.payload.push_back(b);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 64;
  const int rate = atoi(argv[1]);
  const int64_t length = atoll(argv[2]) * 1000;
  rtc::LogMessage::LogToDebug(rtc::LS_NONE);
  webrtc::SimulatedClock clock(0);
  webrtc::NetEq::Config config;
  config.sample_rate_hz = rate;
  config.enable_muted_state = true;  // as in calls
  auto neteq = webrtc::DefaultNetEqFactory().CreateNetEq(
      config, webrtc::CreateAudioDecoderFactory<webrtc::AudioDecoderOpus, webrtc::AudioDecoderG711>(), &clock);
  neteq->RegisterPayloadType(0, webrtc::SdpAudioFormat("PCMU", 8000, 1));
  neteq->RegisterPayloadType(111, webrtc::SdpAudioFormat("opus", 48000, 2, {{"useinbandfec", "1"}}));
  neteq->RegisterPayloadType(63, webrtc::SdpAudioFormat("red", 48000, 2));

  Packet p;
  bool more = Read(p);
  webrtc::AudioFrame frame;
  for (int64_t now = 10000; now <= length; now += 10000) {
    for (; more && p.at <= now; more = Read(p)) {
      clock.AdvanceTimeMicroseconds(p.at - clock.TimeInMicroseconds());
      neteq->InsertPacket(p.header, p.payload);
    }
    clock.AdvanceTimeMicroseconds(now - clock.TimeInMicroseconds());
    bool muted = false;
    if (neteq->GetAudio(&frame, &muted) != webrtc::NetEq::kOK) return 1;
    if (frame.sample_rate_hz_ != rate) return 2;
    const int16_t* x = frame.data();
    std::vector<int16_t> out(rate / 100);
    for (size_t i = 0; i < out.size() && !muted; i++) out[i] = x[i * frame.num_channels_];
    fwrite(out.data(), 2, out.size(), stdout);
  }
  fprintf(stderr, "%" PRIu64 "\n", neteq->GetLifetimeStatistics().concealed_samples);
  return 0;
}
