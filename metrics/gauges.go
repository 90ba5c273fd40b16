package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"intercomd/station"
)

// figure is one metric that is read from the door when somebody asks.
type figure struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func gauge(name, help string, labels ...string) figure {
	return figure{prometheus.NewDesc(name, help, labels, nil), prometheus.GaugeValue}
}

func total(name, help string, labels ...string) figure {
	return figure{prometheus.NewDesc(name, help, labels, nil), prometheus.CounterValue}
}

// figures are all that is read.
type figures struct {
	build, started, state, registration, expires  figure
	fault, deviceUp, micLive, waiting             figure
	received, lost, concealed, sent               figure
	depth, xruns, clipped, erle, echoDelay, noise figure
	mic, speaker, presses, glitches, bounces      figure
	inputActive, relayOn, lampUp, contact, alarms figure
	locked, dnd, selfTest, ready                  figure
}

func newFigures() figures {
	return figures{
		build:        gauge("intercomd_build_info", "Always 1; the version is in the label.", "version"),
		ready:        gauge("intercomd_ready", "Whether a press calls now, and both sides are heard."),
		started:      gauge("intercomd_start_time_seconds", "When the door was started, in seconds since 1970."),
		state:        gauge("intercomd_state", "1 for the state that the door is in, 0 for the others.", "state"),
		registration: gauge("intercomd_registration_state", "1 for the state that the registration is in, 0 for the others.", "state"),
		expires:      gauge("intercomd_registration_expires_seconds", "When the server forgets the door unless it refreshes, in seconds since 1970; 0 if not registered."),
		fault:        gauge("intercomd_fault", "1 for each fault there is now; blinks is what the fault lamp shows.", "key", "code", "blinks"),
		deviceUp:     gauge("intercomd_sound_device_up", "Whether the microphone (input) and the loudspeaker (output) work.", "role"),
		micLive:      gauge("intercomd_microphone_live", "Whether the microphone reaches the far end."),
		waiting:      gauge("intercomd_callers_waiting", "Callers who wait for the running call to end."),
		received:     total("intercomd_audio_packets_received_total", "RTP packets with sound that came."),
		lost:         total("intercomd_audio_packets_lost_total", "RTP packets that never came, or came too late."),
		concealed:    total("intercomd_audio_concealed_seconds_total", "Sound that was made up for lost packets."),
		sent:         total("intercomd_audio_packets_sent_total", "RTP packets with sound that were sent."),
		depth:        gauge("intercomd_audio_jitter_buffer_seconds", "How long sound waits in the jitter buffer, as it is aimed at, in the running call or the last one."),
		xruns:        total("intercomd_audio_device_xruns_total", "Underruns and overruns of sound devices."),
		clipped:      total("intercomd_audio_clipped_seconds_total", "Time in which the microphone reached full scale."),
		erle:         gauge("intercomd_audio_erle_decibels", "Echo return loss enhancement (ITU-T G.168) of the running call or the last one."),
		echoDelay:    gauge("intercomd_audio_echo_delay_seconds", "From the loudspeaker to the microphone."),
		noise:        gauge("intercomd_audio_noise_dbfs", "Background noise at the microphone."),
		mic:          gauge("intercomd_audio_microphone_dbfs", "Level of the microphone over the last 100 ms."),
		speaker:      gauge("intercomd_audio_speaker_dbfs", "Level of the loudspeaker over the last 100 ms."),
		presses:      total("intercomd_input_presses_total", "Presses of a button, or changes of a contact, that counted.", "input"),
		glitches:     total("intercomd_input_glitches_total", "Changes too short to count that came to nothing.", "input"),
		bounces:      total("intercomd_input_bounces_total", "Changes too short to count beside one that counted.", "input"),
		inputActive:  gauge("intercomd_input_active", "Whether a line is active.", "input"),
		relayOn:      gauge("intercomd_relay_on", "Whether a relay is on.", "relay"),
		lampUp:       gauge("intercomd_lamp_up", "Whether a lamp can be driven.", "lamp"),
		contact:      gauge("intercomd_contact_active", "Whether what a contact watches is open, tampered with, or in alarm.", "input", "watches"),
		alarms:       gauge("intercomd_contact_alarm", "Whether a contact is in alarm.", "input"),
		locked:       gauge("intercomd_keypad_locked", "Whether too many codes were wrong."),
		dnd:          gauge("intercomd_do_not_disturb", "Whether the bell is kept from ringing."),
		selfTest:     gauge("intercomd_selftest_passed", "Whether the last acoustic self-test passed; missing if there was none."),
	}
}

// Describe sends nothing: which faults, inputs and relays there are is the configuration's affair.
func (m *Metrics) Describe(chan<- *prometheus.Desc) {}

// Collect reads the door.
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	f := m.read
	send := func(f figure, v float64, labels ...string) {
		if one, err := prometheus.NewConstMetric(f.desc, f.kind, v, labels...); err == nil {
			out <- one
		}
	}
	s, g := m.door.Snapshot(), m.door.Gauges()
	send(f.build, 1, s.Version)
	send(f.ready, flag(s.NotReady.None()))
	send(f.started, float64(s.Started.Unix()))
	for _, state := range []station.State{station.Idle, station.Calling, station.Ringing, station.Talking, station.Stopped} {
		send(f.state, flag(s.State == state), string(state))
	}
	for _, state := range station.RegStates() {
		send(f.registration, flag(s.Registration.State == state), string(state))
	}
	expires := 0.0
	if !s.Registration.Expires.IsZero() {
		expires = float64(s.Registration.Expires.UnixMilli()) / 1000
	}
	send(f.expires, expires)
	seen := map[string]bool{}
	for _, one := range s.Faults {
		if !seen[one.Key] { // two series of one name would void the whole scrape
			seen[one.Key] = true
			send(f.fault, 1, one.Key, one.Code, digit(one.Blinks))
		}
	}
	send(f.deviceUp, flag(s.Sound.Input.OK), "input")
	send(f.deviceUp, flag(s.Sound.Output.OK), "output")
	send(f.micLive, flag(s.Sound.MicLive))
	send(f.waiting, float64(len(s.Waiting)))
	m.sound(g, f, send)
	m.board(s, g, f, send)
	send(f.locked, flag(s.Door.LockedUntil.After(g.Time)))
	send(f.dnd, flag(s.Door.DoNotDisturb))
	if s.SelfTest.State == "passed" || s.SelfTest.State == "failed" {
		send(f.selfTest, flag(s.SelfTest.State == "passed"))
	}
}

const frame = 0.01 // what is concealed or clipped is counted in frames of 10 ms, in seconds

func (m *Metrics) sound(g *station.Gauges, f figures, send func(figure, float64, ...string)) {
	sum := m.take(g.Stats)
	send(f.received, float64(sum.received))
	send(f.lost, float64(sum.lost))
	send(f.concealed, float64(sum.concealed)*frame)
	send(f.sent, float64(sum.sent))
	send(f.depth, g.Stats.JitterMS/1000)
	send(f.xruns, float64(g.Stats.Xruns))
	send(f.clipped, float64(g.Stats.Clipped)*frame)
	send(f.erle, g.Stats.ERLE)
	send(f.echoDelay, g.Stats.EchoDelay/1000)
	send(f.noise, g.Stats.Noise)
	send(f.mic, g.Mic.RMS)
	send(f.speaker, g.Speaker.RMS)
}

func (m *Metrics) board(s *station.Snapshot, g *station.Gauges, f figures, send func(figure, float64, ...string)) {
	for _, c := range g.Inputs {
		send(f.presses, float64(c.Presses), c.Name)
		send(f.glitches, float64(c.Glitches), c.Name)
		send(f.bounces, float64(c.Bounces), c.Name)
	}
	for _, in := range s.Board.Inputs {
		send(f.inputActive, flag(in.Active), in.Name)
	}
	for _, r := range s.Board.Relays {
		send(f.relayOn, flag(r.On), r.Name)
	}
	for _, l := range s.Board.Lamps {
		send(f.lampUp, flag(l.Problem.None()), l.Name)
	}
	for _, c := range s.Contacts {
		send(f.contact, flag(c.Active), c.Input, string(c.Watches))
		send(f.alarms, flag(c.Alarm != ""), c.Input)
	}
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

func digit(n int) string { return string(rune('0' + min(max(n, 0), 9))) }
