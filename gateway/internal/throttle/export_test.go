package throttle

// Known says how many buckets are remembered.
func (r *Rates[K]) Known() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.buckets.young) + len(r.buckets.old)
}
