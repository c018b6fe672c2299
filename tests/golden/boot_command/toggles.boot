<leftCtrlOn><leftAltOn><del><leftAltOff><leftCtrlOff><fOn><fOff><AOn><AOff><f12On><f12Off><leftCommand><rightOption>
