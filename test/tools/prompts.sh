#!/bin/sh
# prompts.sh DIR: speaks audio/prompts/*.txt with eSpeak NG into DIR/LANGUAGE/NAME.wav.
# What is there and newer than its text stays. A name begins a line, the words follow.
set -eu
dir=$1
texts=$(cd "$(dirname "$0")/../../audio/prompts" && pwd)
for file in "$texts"/*.txt; do
	language=$(basename "$file" .txt)
	voice=$language
	[ "$language" != zh ] || voice=cmn
	out=$dir/$language
	if [ -e "$out/.done" ] && [ -z "$(find "$file" -newer "$out/.done")" ]; then continue; fi
	rm -rf "$out"
	mkdir -p "$out"
	while read -r name words; do
		[ -n "$words" ] || continue
		# 150 words a minute; the quieter half of full scale, like the tones.
		printf '%s\n' "$words" | espeak-ng -v "$voice" -s 150 -a 70 --stdin -w "$out/$name.wav"
	done <"$file"
	touch "$out/.done"
done
