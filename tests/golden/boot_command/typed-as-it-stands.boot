<waiit>é€<
