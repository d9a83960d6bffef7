namespace Vmm.Core.Time;

/// <summary>
/// A bucket that fills at a rate up to its burst. Whoever finds a whole token in it may take as much as it needs, also more than there is: the
/// debt is waited for by the next. So requests of any size pass, none is starved by smaller ones, and the rate is exact in the long
/// run. One thread at a time.
/// </summary>
internal struct TokenBucket
{
    // The level counts billionths of a token: one nanosecond adds as many of them as the rate says, and nothing is ever rounded.
    private const long OneToken = 1_000_000_000;

    private TokenRate _rate;
    private Int128 _level;
    private long _filledNs;

    /// <summary>Changes the rate: what was there stays there up to the new burst, and so does a debt. A bucket without a limit was full.</summary>
    public void Set(TokenRate rate, long nowNs)
    {
        Fill(nowNs);
        _level = _rate.IsLimited ? Int128.Min(_level, Full(rate)) : Full(rate);
        (_rate, _filledNs) = (rate, nowNs);
    }

    /// <summary>Whether something may pass now; else when that will be.</summary>
    public bool MayPass(long nowNs, out long atNs)
    {
        Fill(nowNs);
        atNs = nowNs;
        if (!_rate.IsLimited || _level >= OneToken) return true;
        Int128 waitNs = (OneToken - _level + _rate.PerSecond - 1) / _rate.PerSecond;
        atNs = waitNs < long.MaxValue - nowNs ? nowNs + (long)waitNs : long.MaxValue;
        return false;
    }

    /// <summary>Takes tokens, into debt when they are not there.</summary>
    public void Take(ulong tokens)
    {
        // A debt is bounded, so that no sum of requests can run over; at the highest rate this bound is months of waiting.
        Int128 deepest = -(Int128)long.MaxValue * OneToken;
        if (_rate.IsLimited) _level = Int128.Max(_level - (Int128)tokens * OneToken, deepest);
    }

    private void Fill(long nowNs)
    {
        if (_rate.IsLimited && nowNs > _filledNs) _level = Int128.Min(_level + (Int128)(nowNs - _filledNs) * _rate.PerSecond, Full(_rate));
        _filledNs = nowNs;
    }

    private static Int128 Full(TokenRate rate) => (Int128)rate.BucketSize * OneToken;
}
