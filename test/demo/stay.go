package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"intercomd/test/lab"
	"intercomd/test/webphone"
)

//go:embed page
var pages embed.FS

// stay serves the page of the demo until ctx ends.
func (s *scene) stay(ctx context.Context) error {
	// From here on people talk, not sines: the visitor hums now and then, the
	// indoor station is silent.
	s.visitor.Chime()
	s.resident.Set(indoorTone, -120)

	port, err := lab.FreePort(8088)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return fmt.Errorf("serve the page of the demo: %w", err)
	}
	srv := &http.Server{
		Handler: http.NewCrossOriginProtection().Handler(s.routes()), ReadHeaderTimeout: 5 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	fmt.Printf(`
Try it in a browser on this machine:

  http://127.0.0.1:%d/    the front panel and a web phone (extension %s): answer the door
  %s    the door's own page
  %s    the indoor station's page

Ctrl-C ends everything.
`, port, phoneUser, s.door.URL, s.indoor.URL)
	go func() {
		<-ctx.Done()
		_ = srv.Close()
	}()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	fmt.Println("\nEnding everything ...")
	return nil
}

func (s *scene) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, pages, "page/demo.html") })
	for _, file := range []string{"demo.css", "demo.js"} {
		mux.HandleFunc("GET /"+file, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, pages, "page/"+file) })
	}
	mux.Handle("GET /phone/", http.StripPrefix("/phone", webphone.Handler()))
	mux.HandleFunc("GET /phone/config.json", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, map[string]any{
			// Not wss: a browser refuses an authority that it does not know.
			"ws": s.site.WS(), "user": phoneUser, "password": lab.Password(phoneUser), "domain": lab.Domain,
			"door": doorUser, "openDigits": "5",
		})
	})
	mux.HandleFunc("GET /door/status.json", func(w http.ResponseWriter, r *http.Request) {
		body, err := s.door.Get(r.Context(), "status.json")
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(body))
	})
	mux.HandleFunc("GET /links.json", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, map[string]string{"door": s.door.URL, "indoor": s.indoor.URL})
	})
	mux.HandleFunc("POST /door/press/{button}", func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.door.Press(r.Context(), r.PathValue("button")); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
