package setup

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"intercomd/configs"
	"intercomd/words"
)

// Person is somebody with a code. The digits never come out of a document.
type Person struct {
	Name   string
	Digits string // to be set; "" leaves those that there are
	Relay  string
	Users  []string // from whom the code is taken; none: whoever may open the door
	From   string   // as the file has it
	Until  string
	When   string // name of a schedule
	Once   bool
}

// Errors of people.
var (
	ErrNoPerson  = errors.New("setup-no-person")
	ErrNoName    = errors.New("setup-no-name")
	ErrTaken     = errors.New("setup-name-taken")
	ErrNoDigits  = errors.New("setup-no-digits")
	ErrBadHeader = errors.New("setup-bad-header")
)

// People are those of a document, in its order.
func People(d *configs.Document) (out []Person) {
	for i := range d.Entries("code") {
		path := fmt.Sprintf("code[%d]", i)
		get := func(key string) string { v, _ := d.Get(path + "." + key); return v }
		p := Person{Name: get("name"), Relay: get("relay"), From: get("from"), Until: get("until"), When: get("when"), Once: get("once") == "true"}
		p.Users, _ = d.List(path + ".users")
		out = append(out, p)
	}
	return out
}

// Put changes the person of that name, or adds one if fresh says that there is none yet.
func Put(d *configs.Document, p Person, fresh bool) error {
	people := People(d)
	i := slices.IndexFunc(people, func(o Person) bool { return o.Name == p.Name })
	switch {
	case p.Name == "":
		return ErrNoName
	case fresh && i >= 0:
		return ErrTaken
	case !fresh && i < 0:
		return ErrNoPerson
	case i < 0 && p.Digits == "":
		return ErrNoDigits
	}
	if i < 0 {
		_, err := d.AddAll("code", [][]configs.Setting{p.settings(true)})
		return err
	}
	return write(d, fmt.Sprintf("code[%d]", i), p, columns())
}

// settings are what p has or, where given is false, what it lacks.
func (p *Person) settings(given bool) (out []configs.Setting) {
	add := func(name string, value any, is bool) {
		if is == given {
			out = append(out, configs.Setting{Name: name, Value: value})
		}
	}
	add("name", p.Name, p.Name != "")
	add("digits", p.Digits, p.Digits != "")
	add("relay", p.Relay, p.Relay != "")
	add("users", p.Users, len(p.Users) > 0)
	add("from", p.From, p.From != "")
	add("until", p.Until, p.Until != "")
	add("when", p.When, p.When != "")
	add("once", p.Once, p.Once)
	return out
}

// write gives a person's section what p has. Digits that p does not have stay, and so does what is not among
// the names that p was told of: a list without a column says nothing of it.
func write(d *configs.Document, path string, p Person, told []string) (err error) {
	for _, s := range p.settings(true) {
		err = errors.Join(err, d.Set(path+"."+s.Name, s.Value))
	}
	for _, s := range p.settings(false) {
		if s.Name != "digits" && slices.Contains(told, s.Name) {
			err = errors.Join(err, d.Remove(path+"."+s.Name))
		}
	}
	return err
}

// Drop removes the person of that name.
func Drop(d *configs.Document, name string) error {
	i := slices.IndexFunc(People(d), func(o Person) bool { return o.Name == name })
	if i < 0 {
		return ErrNoPerson
	}
	return d.Remove(fmt.Sprintf("code[%d]", i))
}

// columns are those of a list of people, in CSV.
func columns() []string {
	return []string{"name", "digits", "users", "relay", "from", "until", "when", "once"}
}

// mostPeople is far above the people of a door.
const mostPeople = 1000

// Fault is what is wrong in a line of a text.
type Fault struct {
	Line int // from 1; 0: of no line
	words.Message
}

// Faults are all that is wrong with a list of people.
type Faults []Fault //nolint:errname // a list of what a person reads, not one error

// Error has a line for each fault.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, one := range f {
		lines[i] = fmt.Sprintf("%d: %s", one.Line, one.Message)
	}
	return strings.Join(lines, "\n")
}

// record is a person of a list, with its line.
type record struct {
	line int
	Person
}

// Imported is what a list has come to.
type Imported struct {
	Added, Changed int // people; whom the list names and who were there count as changed
	lines          map[string]int
}

// Line is the line of the list that a section came from, such as "code[3]", for what the loader finds in
// it; 0 of the rest of the configuration.
func (m *Imported) Line(path string) int {
	section, _, _ := strings.Cut(path, ".")
	return m.lines[section]
}

// Import puts the people of a list in CSV into a document: those who are there already are
// changed, as far as the list has columns, all others added, nobody is removed. The first line names the columns, of which name
// must be one; commas or semicolons stand between them. The error is of type [Faults].
func Import(d *configs.Document, data []byte) (*Imported, error) {
	text, err := configs.CleanText(data)
	if err != nil {
		list, _ := errors.AsType[configs.Faults](err)
		out := Faults{}
		for _, f := range list {
			out = append(out, Fault{f.Line, f.Message})
		}
		return nil, out
	}
	records, header, faults := read(string(text))
	if len(faults) > 0 {
		return nil, faults
	}
	lines := map[string]int{}
	numbers := map[string]int{}
	for i, p := range People(d) {
		if _, twice := numbers[p.Name]; !twice {
			numbers[p.Name] = i
		}
	}
	var fresh [][]configs.Setting
	var freshLines []int
	known := map[int]record{}
	for _, r := range records {
		i, is := numbers[r.Name]
		switch {
		case is:
			known[i] = r
			lines[fmt.Sprintf("code[%d]", i)] = r.line
		case r.Digits == "":
			faults = append(faults, Fault{r.line, words.New(ErrNoDigits.Error())})
		default:
			fresh, freshLines = append(fresh, r.settings(true)), append(freshLines, r.line)
		}
	}
	unwritten := func(line int, err error) Faults {
		return Faults{{line, words.Because(words.New("setup-not-written"), err)}}
	}
	at := 0
	err = d.Each("code", func(i int, one *configs.Document) error {
		r, is := known[i]
		if !is {
			return nil
		}
		at = r.line
		return write(one, "code[0]", r.Person, header)
	})
	if err != nil {
		return nil, unwritten(at, err)
	}
	first, err := d.AddAll("code", fresh)
	if err != nil {
		return nil, unwritten(0, err)
	}
	for i, l := range freshLines {
		lines[fmt.Sprintf("code[%d]", first+i)] = l
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return &Imported{len(fresh), len(known), lines}, nil
}

// read reads a list, and tells its columns.
func read(text string) (out []record, header []string, faults Faults) {
	r := csv.NewReader(strings.NewReader(text))
	first, _, _ := strings.Cut(text, "\n")
	if strings.Count(first, ";") > strings.Count(first, ",") {
		r.Comma = ';'
	}
	r.FieldsPerRecord, r.TrimLeadingSpace = -1, true
	seen := map[string]int{}
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			line := 0
			if pe, ok := errors.AsType[*csv.ParseError](err); ok {
				line = pe.Line
			}
			return nil, nil, append(faults, Fault{line, words.New("setup-csv")})
		}
		line, _ := r.FieldPos(0)
		for i := range cells {
			cells[i] = words.FromCell(strings.TrimSpace(cells[i]))
		}
		if header == nil {
			header = cells
			for i, h := range header {
				if header[i] = strings.ToLower(h); !slices.Contains(columns(), header[i]) {
					faults = append(faults, Fault{line, words.New("setup-column", "name", h, "known", strings.Join(columns(), ", "))})
				}
			}
			if !slices.Contains(header, "name") {
				faults = append(faults, Fault{line, words.New(ErrBadHeader.Error(), "known", strings.Join(columns(), ", "))})
			}
			if len(faults) > 0 {
				return nil, nil, faults
			}
			continue
		}
		if len(cells) > len(header) {
			faults = append(faults, Fault{line, words.New("setup-cells", "n", strconv.Itoa(len(cells)), "most", strconv.Itoa(len(header)))})
			continue
		}
		p, fault := person(header, cells)
		if before := seen[p.Name]; fault.None() && before > 0 {
			fault = words.New("setup-twice", "first", strconv.Itoa(before))
		}
		if !fault.None() {
			faults = append(faults, Fault{line, fault})
			continue
		}
		seen[p.Name] = line
		if out = append(out, record{line, p}); len(out) > mostPeople {
			return nil, nil, append(faults, Fault{line, words.New("setup-too-many", "n", strconv.Itoa(mostPeople))})
		}
	}
	if header == nil {
		faults = append(faults, Fault{1, words.New(ErrBadHeader.Error(), "known", strings.Join(columns(), ", "))})
	}
	return out, header, faults
}

func person(header, cells []string) (p Person, fault words.Message) {
	for i, v := range cells {
		switch header[i] {
		case "name":
			p.Name = v
		case "digits":
			p.Digits = v
		case "users":
			p.Users = itemsOf(v)
		case "relay":
			p.Relay = v
		case "from":
			p.From = v
		case "until":
			p.Until = v
		case "when":
			p.When = v
		case "once":
			switch strings.ToLower(v) {
			case "", "no", "false", "0":
			case "yes", "true", "1":
				p.Once = true
			default:
				return p, words.New("setup-once")
			}
		}
	}
	if p.Name == "" {
		return p, words.New(ErrNoName.Error())
	}
	return p, words.Message{}
}

// Export is a list of the people of a document for [Import], without their digits. What a
// spreadsheet would take for a formula is made a text for it.
func Export(d *configs.Document) []byte {
	var b strings.Builder
	w := csv.NewWriter(&b)
	_ = w.Write(columns()) // into memory
	for _, p := range People(d) {
		once := ""
		if p.Once {
			once = "yes"
		}
		cells := []string{p.Name, "", strings.Join(p.Users, " "), p.Relay, p.From, p.Until, p.When, once}
		for i, c := range cells {
			cells[i] = words.Cell(c)
		}
		_ = w.Write(cells)
	}
	w.Flush()
	return []byte(b.String())
}
