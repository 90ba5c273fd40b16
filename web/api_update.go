package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"intercomd/station"
	"intercomd/web/accounts"
	"intercomd/web/api"
	"intercomd/web/identity"
	"intercomd/words"
)

// This file is what programs can do to the system under the door: install another one, and give its page
// another certificate.

func (s *Server) apiSystemTable() []route {
	updates, manage := scoped(accounts.ScopeUpdate), scoped(accounts.ScopeManage)
	return []route{
		{"GET " + root + "/update", updates, 0, s.shows(s.apiUpdate)},
		{"POST " + root + "/update", updates, maxBody, s.moves(s.apiInstall)},
		{"POST " + root + "/update/bundle", updates, mostUpload, s.apiBundle},
		{"GET " + root + "/certificate", manage, 0, s.shows(s.apiCertificate)},
		{"GET " + root + "/certificate/request", manage, 0, s.nothingMore(s.apiCertificateRequest)},
		{"PUT " + root + "/certificate", manage, maxCertificate, s.moves(s.apiCertify)},
	}
}

// apiUpdate is how an update stands.
func (s *Server) apiUpdate(r *http.Request) reply {
	if s.cfg.Updates == nil {
		return no(http.StatusNotFound, "no-updates")
	}
	ctx, cancel := context.WithTimeout(r.Context(), commandTimeout)
	defer cancel()
	st, err := s.cfg.Updates.Status(ctx)
	if err != nil {
		return notUpdated(err)
	}
	return reply{status: http.StatusOK, body: st}
}

// apiInstall asks for the bundle at an address.
func (s *Server) apiInstall(r *http.Request, body []byte) reply {
	var ask struct {
		Address string `json:"address"`
	}
	if bad := api.JSON(r.Header, body, &ask); bad != nil {
		return cannotRead(bad)
	}
	switch {
	case ask.Address == "":
		return no(http.StatusBadRequest, "missing-field", "field", "address")
	case s.cfg.Updates == nil:
		return no(http.StatusNotFound, "no-updates")
	}
	ctx, cancel := context.WithTimeout(r.Context(), commandTimeout)
	defer cancel()
	before := s.now()
	err := s.cfg.Updates.Install(ctx, ask.Address)
	s.audit(station.UpdateAsked, hostOf(ask.Address), visitorOf(r), failure(err))
	if err != nil {
		return notUpdated(err)
	}
	return reply{status: http.StatusAccepted, body: taken{before}}
}

// upload is the body of a bundle, which remembers why it broke off.
type upload struct {
	*PatientReader
	err error
}

func (u *upload) Read(b []byte) (int, error) {
	n, err := u.PatientReader.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		u.err = err
	}
	return n, err
}

// apiBundle takes a bundle, which is the body as it is. It is passed on as it comes, so that its key stands
// for a bundle of that length, whatever is in it.
func (s *Server) apiBundle(w http.ResponseWriter, r *http.Request) {
	key, bad := api.Key(r.Header)
	if bad == nil {
		_, bad = api.ParseQuery(r.URL.RawQuery, "lang")
	}
	if bad == nil {
		bad = unconditional(r.Header, false)
	}
	a := ofType(r, "application/octet-stream")
	switch {
	case bad != nil:
		s.send(w, r, cannotRead(bad))
		return
	case a != nil:
		s.send(w, r, *a)
		return
	case s.cfg.Updates == nil:
		s.send(w, r, no(http.StatusNotFound, "no-updates"))
		return
	}
	s.once(w, r, key, []byte(strconv.FormatInt(r.ContentLength, 10)), func() reply {
		body := &upload{PatientReader: patient(w, r)}
		before := s.now()
		err := s.cfg.Updates.Upload(r.Context(), body, r.ContentLength)
		s.audit(station.UpdateAsked, "", visitorOf(r), failure(err))
		if err == nil {
			return reply{status: http.StatusAccepted, body: taken{before}}
		}
		if _, tooLarge := errors.AsType[*http.MaxBytesError](body.err); body.err != nil && !tooLarge {
			return no(http.StatusBadRequest, "bad-body")
		}
		return notUpdated(errors.Join(body.err, err))
	})
}

// notUpdated is the answer to an error of [Updates].
func notUpdated(err error) reply {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return reply{status: http.StatusRequestEntityTooLarge, why: words.New("update-refused").Because(words.New("update-too-large"))}
	}
	if why, ok := words.Told(err); ok {
		return reply{status: http.StatusConflict, why: words.New("update-refused").Because(why)}
	}
	return reply{status: http.StatusServiceUnavailable, why: words.Because(words.New("update-fails"), err)}
}

// certificate is what the page shows who it is by.
type certificate struct {
	Authority string    `json:"authority"`     // fingerprint of the door's own
	Ends      time.Time `json:"ends,omitzero"` // of a certificate that somebody has issued
}

func (s *Server) apiCertificate(*http.Request) reply {
	if s.cfg.Identity == nil {
		return no(http.StatusNotFound, "no-certificate")
	}
	return reply{status: http.StatusOK, body: certificate{s.cfg.Identity.Fingerprint(), s.cfg.Identity.Ends()}}
}

// apiCertificateRequest is what an authority of the site signs.
func (s *Server) apiCertificateRequest(w http.ResponseWriter, r *http.Request) {
	if s.cfg.Identity == nil {
		s.send(w, r, no(http.StatusNotFound, "no-certificate"))
		return
	}
	s.getRequest(w, r)
}

// apiCertify takes a certificate with those that lead to its authority.
func (s *Server) apiCertify(r *http.Request, body []byte) reply {
	if a := unsure(r); a != nil {
		return *a
	}
	if a := ofType(r, "application/x-pem-file"); a != nil {
		return *a
	}
	if s.cfg.Identity == nil {
		return no(http.StatusNotFound, "no-certificate")
	}
	before := s.now()
	code := s.certify(r, body)
	switch code {
	case "":
		return reply{status: http.StatusAccepted, body: taken{before}}
	case "certificate-" + identity.ErrNotSaved.Error():
		return no(http.StatusServiceUnavailable, code)
	}
	return no(http.StatusUnprocessableEntity, code)
}

// certify installs a certificate, and tells so; the code of why not, "" if it is installed.
func (s *Server) certify(r *http.Request, data []byte) (code string) {
	err := s.cfg.Identity.Install(data)
	if err != nil {
		code = "certificate-" + identity.ErrNoPEM.Error()
		for _, known := range []error{identity.ErrOtherKey, identity.ErrExpired, identity.ErrNotSaved} {
			if errors.Is(err, known) {
				code = "certificate-" + known.Error()
			}
		}
	}
	s.audit(station.CertificateInstalled, "", visitorOf(r), code)
	return code
}
